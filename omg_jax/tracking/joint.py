"""All frames of a clip at once, held together in time: still heads must not tremble, fast ones must not lag.

The cost is the sum of the frames' own (cost.py) and, for each unknown u, of

    strength / 2 log(1 + (u[t-1] - 2 u[t] + u[t+1])^2 / scale^2)

so that small accelerations are held down as noise and large ones are left alone as motion (Cauchy's function). Gauss-
Newton's matrix is block-banded: a block for each frame, and diagonal ones between frames up to two apart. Its systems
are solved by conjugate gradients, preconditioned by the frames' blocks.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Float

from omg_jax.geometry.rotations import matrix_to_axis_angle
from omg_jax.tracking.cost import FrameFit, Observation, frame_equations
from omg_jax.tracking.fit import advance, fit_frame
from omg_jax.tracking.landmark_head import LandmarkHead

START_ITERATIONS = 2  # each frame by itself
ITERATIONS = 3
CG_ITERATIONS = 24
# Frames whose equations are made at a time: their derivatives (0.2 MB each) stay in a core's cache, which halves the
# time that all of them at once would take.
IN_CACHE = 8


class Steadiness(NamedTuple):
    """How a clip is held together in time.

    strength: of each unknown's prior, over that of its landmarks. scale: of the accelerations that are taken for
    noise, in the unknown's unit per squared frame.
    """

    strength: Float[Array, "n"]
    scale: Float[Array, "n"]


@jax.jit
def fit_jointly(
    head: LandmarkHead,
    seen: Observation,
    focal: Float[Array, ""],
    shape: Float[Array, "s"],
    steadiness: Steadiness,
) -> FrameFit:
    """Fits consecutive frames (leading axis t) of a person whose shape is known; focal in pixels.

    Frames whose observation has no weight anywhere are interpolated.
    """
    start = _map_groups(lambda one: fit_frame(head, one, focal, shape, START_ITERATIONS), seen)

    def equations(pair: tuple[Observation, FrameFit]) -> tuple[Array, Array]:
        whole = frame_equations(head, *pair, shape, focal)
        return whole.frame, whole.frame_gradient

    def step(_, frames):
        blocks, gradients = _map_groups(equations, (seen, frames))
        change = accelerations(frames)
        hold = steadiness.strength / (jnp.square(steadiness.scale) + jnp.square(change))
        steps = -_solve_banded(blocks, hold, gradients + _spread_back(hold * change))
        return jax.vmap(advance)(frames, steps)

    return jax.lax.fori_loop(0, ITERATIONS, step, start)


def accelerations(frames: FrameFit) -> Float[Array, "u n"]:
    """Second differences of the unknowns, u = t - 2: of rotations, the difference of neighbouring turns."""
    turns = jnp.matmul(frames.rotation[1:], jnp.swapaxes(frames.rotation[:-1], -1, -2), precision=Precision.HIGHEST)
    others = jnp.concatenate([frames.translation, frames.expression, frames.jaw, frames.gaze], axis=-1)
    return jnp.concatenate([jnp.diff(matrix_to_axis_angle(turns), axis=0), jnp.diff(others, 2, axis=0)], axis=-1)


def _map_groups(function: Callable, frames: tuple) -> Any:
    """A function of a frame over all frames, group after group of IN_CACHE where their number allows it."""
    size = math.gcd(len(jax.tree.leaves(frames)[0]), IN_CACHE)
    groups = jax.tree.map(lambda x: x.reshape(x.shape[0] // size, size, *x.shape[1:]), frames)
    mapped = jax.lax.map(jax.vmap(function), groups)
    return jax.tree.map(lambda x: x.reshape(x.shape[0] * size, *x.shape[2:]), mapped)


def _spread_back(forces: Float[Array, "u n"]) -> Float[Array, "t n"]:
    """The transpose of taking second differences."""
    ends = [(0, 0)] * (forces.ndim - 1)
    return jnp.pad(forces, [(0, 2), *ends]) - 2 * jnp.pad(forces, [(1, 1), *ends]) + jnp.pad(forces, [(2, 0), *ends])


def _solve_banded(blocks: Float[Array, "t n n"], hold: Float[Array, "u n"], right: Float[Array, "t n"]) -> Array:
    """Solves (blocks + D' hold D) x = right, D the second differences over t."""
    squares = jnp.pad(hold, [(0, 2), (0, 0)]) + 4 * jnp.pad(hold, [(1, 1), (0, 0)]) + jnp.pad(hold, [(2, 0), (0, 0)])
    # What float32 leaves of an almost singular matrix may be negative; the millionth keeps the factors real.
    diagonal = squares + 1e-6 * (1.0 + jnp.diagonal(blocks, axis1=-2, axis2=-1))
    factors, lower = jax.scipy.linalg.cho_factor(blocks + jax.vmap(jnp.diag)(diagonal))

    def apply(x: Array) -> Array:
        own = jnp.sum(blocks * x[:, None], axis=-1)
        return own + _spread_back(hold * jnp.diff(x, 2, axis=0))

    solution, _ = jax.scipy.sparse.linalg.cg(
        apply,
        right,
        tol=1e-4,
        maxiter=CG_ITERATIONS,
        M=lambda x: jax.scipy.linalg.cho_solve((factors, lower), x[..., None])[..., 0],
    )
    return solution
