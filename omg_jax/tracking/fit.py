"""Head parameters from landmarks, by Gauss-Newton: rigid pose, expression and gaze per frame, one shape per person.

The shape's prior stands against the mean over frames, so that its strength does not depend on how many there are.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Float

from omg_jax.tracking.cost import (
    FACING,
    NUM_POSE,
    FrameFit,
    NormalEquations,
    Observation,
    apply_update,
    frame_equations,
)
from omg_jax.tracking.landmark_head import LandmarkHead

ITERATIONS = 12
FRAME_ITERATIONS = 5  # enough where the shape is known: no clip changes after the third
SHAPE_PRIOR = 1.0
MAX_STEP = 0.5  # of a weight, a slider, or an angle in radians, per iteration


@jax.jit
def fit_clip(head: LandmarkHead, seen: Observation, focal: Float[Array, ""]) -> tuple[FrameFit, Float[Array, "s"]]:
    """Fits frames of one person (leading axis t) together with that person's shape; focal in pixels."""
    shape = jnp.zeros(head.shape_basis.shape[-1])
    frames = jax.vmap(partial(initial_fit, head, focal=focal))(seen)

    def step(_, carry):
        frames, shape = carry
        equations = jax.vmap(lambda one, fit: frame_equations(head, one, fit, shape, focal))(seen, frames)
        frame_steps, shape_step = _joint_step(equations, shape)
        return jax.vmap(advance)(frames, frame_steps), shape + shape_step

    return jax.lax.fori_loop(0, ITERATIONS, step, (frames, shape))


@jax.jit
def fit_frames(head: LandmarkHead, seen: Observation, focal: Float[Array, ""], shape: Float[Array, "s"]) -> FrameFit:
    """Fits frames (leading axis t) of a person whose shape is known, each by itself; focal in pixels."""

    return jax.vmap(lambda one: fit_frame(head, one, focal, shape, FRAME_ITERATIONS))(seen)


def fit_frame(
    head: LandmarkHead, seen: Observation, focal: Float[Array, ""], shape: Float[Array, "s"], iterations: int
) -> FrameFit:
    """One frame of a person whose shape is known, by itself."""

    def step(_, fit):
        equations = frame_equations(head, seen, fit, shape, focal)
        return advance(fit, -solve_scaled(equations.frame, equations.frame_gradient))

    return jax.lax.fori_loop(0, iterations, step, initial_fit(head, seen, focal=focal))


def initial_fit(head: LandmarkHead, seen: Observation, *, focal: Float[Array, ""]) -> FrameFit:
    """Start of one frame: the similarity that takes the mean head's landmarks to the seen ones (Umeyama 1991)."""
    model = head.base[: len(seen.points)] @ FACING.T
    model_mean, seen_mean = model.mean(axis=0), seen.points.mean(axis=0)
    model_centred, seen_centred = model - model_mean, seen.points - seen_mean
    left, stretch, right = jnp.linalg.svd(seen_centred.T @ model_centred)
    proper = jnp.ones(3).at[2].set(jnp.sign(jnp.linalg.det(left @ right)))
    rotation = left @ jnp.diag(proper) @ right
    pixels_per_unit = jnp.sum(stretch * proper) / jnp.sum(jnp.square(model_centred))
    depth = focal / pixels_per_unit
    centre = jnp.array([seen_mean[0] / pixels_per_unit, seen_mean[1] / pixels_per_unit, depth])
    return FrameFit(rotation, centre - rotation @ model_mean, seen.expression, seen.jaw, seen.gaze)


def _joint_step(equations: NormalEquations, shape: Array) -> tuple[Array, Array]:
    """Steps of all frames [t, n] and of the shape [s], by Schur complement: frames meet only in the shape."""
    right = jnp.concatenate([equations.frame_shape, equations.frame_gradient[..., None]], axis=-1)
    solved = jax.vmap(solve_scaled)(equations.frame, right)
    by_shape, alone = solved[..., :-1], solved[..., -1]
    transposed = jnp.swapaxes(equations.frame_shape, -1, -2)
    reduced = equations.shape - jnp.matmul(transposed, by_shape, precision=Precision.HIGHEST)
    pull = jnp.einsum("tsn,tn->ts", transposed, alone, precision=Precision.HIGHEST)
    matrix = reduced.mean(axis=0) + SHAPE_PRIOR * jnp.eye(shape.shape[0])
    gradient = (equations.shape_gradient - pull).mean(axis=0) + SHAPE_PRIOR * shape
    shape_step = _limit(-solve_scaled(matrix, gradient))
    return -alone - jnp.einsum("tns,s->tn", by_shape, shape_step, precision=Precision.HIGHEST), shape_step


def solve_scaled(matrix: Array, right: Array) -> Array:
    """Solves a symmetric positive system, scaled to unit diagonal: its unknowns have different units."""
    scale = jax.lax.rsqrt(jnp.maximum(jnp.diagonal(matrix), 1e-12))
    # What float32 leaves of an almost singular matrix may be negative; this keeps the factor real.
    scaled = matrix * scale[:, None] * scale + 1e-6 * jnp.eye(matrix.shape[0])
    columns = scale.reshape(-1, *[1] * (right.ndim - 1))
    return columns * jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(scaled), columns * right)


def _limit(step: Array) -> Array:
    return jnp.clip(step, -MAX_STEP, MAX_STEP)


def advance(fit: FrameFit, step: Array) -> FrameFit:
    """The fit after a step, of which all but the translation is limited."""
    return apply_update(fit, _limit(step).at[3:NUM_POSE].set(step[3:NUM_POSE]))
