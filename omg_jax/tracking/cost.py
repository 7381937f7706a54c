"""What the fit minimises, and its normal equations.

The cost of a frame is half of

    sum_i a_i rho(|e_i| / sigma_i) + b |w - w0|^2 + penalties(w) + |g - g0|^2 / 0.15^2 + |(j - j0) / sigma_j|^2

where e_i is a visible landmark's reprojection error, in world units at the head's distance, rho is Huber's function
from 2 sigma on, w the expression with its prior from the scores, g the gaze and j the jaw's turn with theirs. For the
built-in head a is 0.3 and b is 10, and there is no j.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision
from jaxtyping import Array, Bool, Float

from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.tracking.landmark_head import LandmarkHead, joint_turns, landmark_points, rows_before_turns, turn_joints

NUM_POSE = 6  # rotation update about the head's origin, then translation
NUM_GAZE = 4
HUBER_SIGMAS = 2.0
EXCESS = 400.0  # of the squared excess of a unit over the one that it takes back
GAZE_SIGMA = 0.15  # radians
JAW_SIGMA = np.array([0.1, 0.03, 0.03], np.float32)  # radians: opening, and to the sides
VISIBLE_COSINE = 0.1
# Head axes (y up, z to the front) to camera axes (y down, z away) for a head that looks into the camera.
FACING = np.diag([1.0, -1.0, -1.0]).astype(np.float32)


class Observation(NamedTuple):
    """What was seen in a frame.

    points: landmarks in pixels from the principal point, z in the same unit. expression, jaw, gaze: the priors' means.
    weights: trust in each landmark in this frame, in [0, 1].
    """

    points: Float[Array, "*b l 3"]
    expression: Float[Array, "*b e"]
    jaw: Float[Array, "*b a"]
    gaze: Float[Array, "*b 4"]
    weights: Float[Array, "*b l"]


class FrameFit(NamedTuple):
    """Unknowns of a frame. A point x of the head lies at rotation @ FACING @ x + translation in camera axes.

    jaw: axis-angle, or empty where the head's jaw does not turn.
    """

    rotation: Float[Array, "*b 3 3"]
    translation: Float[Array, "*b 3"]
    expression: Float[Array, "*b e"]
    jaw: Float[Array, "*b a"]
    gaze: Float[Array, "*b 4"]


class NormalEquations(NamedTuple):
    """Gauss-Newton's approximation of a frame's cost.

    Hessian and gradient by frame unknowns (rotation 3, translation 3, expression, jaw, gaze 4), by shape, and between
    them.
    """

    frame: Float[Array, "*b n n"]
    frame_shape: Float[Array, "*b n s"]
    shape: Float[Array, "*b s s"]
    frame_gradient: Float[Array, "*b n"]
    shape_gradient: Float[Array, "*b s"]


def apply_update(fit: FrameFit, update: Float[Array, "n"]) -> FrameFit:
    """The fit after an update of the frame unknowns; the rotation turns about the head's origin."""
    jaw = NUM_POSE + fit.expression.shape[-1]
    return FrameFit(
        rotation=jnp.matmul(axis_angle_to_matrix(update[:3]), fit.rotation, precision=Precision.HIGHEST),
        translation=fit.translation + update[3:NUM_POSE],
        expression=fit.expression + update[NUM_POSE:jaw],
        jaw=fit.jaw + update[jaw:-NUM_GAZE],
        gaze=fit.gaze + update[-NUM_GAZE:],
    )


def project(
    head: LandmarkHead, fit: FrameFit, shape: Float[Array, "s"], focal: Float[Array, ""]
) -> Float[Array, "l 2"]:
    """Landmarks of one frame in pixels from the principal point."""
    in_camera = _turned(head, fit, shape) + fit.translation
    return focal * in_camera[:, :2] / in_camera[:, 2:]


def visible(head: LandmarkHead, rotation: Float[Array, "3 3"]) -> Bool[Array, "l"]:
    """Which landmarks' surface faces the camera under a head rotation."""
    return (head.normals @ (rotation @ FACING).T)[:, 2] < -VISIBLE_COSINE


def landmark_errors(
    head: LandmarkHead, seen: Observation, fit: FrameFit, shape: Float[Array, "s"], focal: Float[Array, ""]
) -> Float[Array, "l 2"]:
    """Reprojection errors in world units at the head's distance."""
    return (project(head, fit, shape, focal) - seen.points[:, :2]) * fit.translation[2] / focal


def landmark_weights(
    head: LandmarkHead, seen: Observation, fit: FrameFit, errors: Float[Array, "l 2"]
) -> Float[Array, "l"]:
    """Factors of the squared errors: trust, visibility, and Huber's weights for the errors as they are."""
    sigmas = jnp.linalg.norm(errors, axis=-1) / head.sigmas
    huber = jnp.minimum(1.0, HUBER_SIGMAS / jnp.maximum(sigmas, 1e-6))
    trust = seen.weights * head.weights * visible(head, fit.rotation)
    return huber * trust / jnp.square(head.sigmas)


def frame_equations(
    head: LandmarkHead, seen: Observation, fit: FrameFit, shape: Float[Array, "s"], focal: Float[Array, ""]
) -> NormalEquations:
    """Normal equations of one frame, its landmarks and its priors; the shape's prior is not among them."""
    errors = landmark_errors(head, seen, fit, shape, focal)
    roots = jnp.sqrt(landmark_weights(head, seen, fit, errors))
    by_frame, by_shape = landmark_jacobians(head, fit, shape)
    residual = (roots[:, None] * errors).ravel()
    by_frame = (roots[:, None, None] * by_frame).reshape(residual.shape[0], -1)
    by_shape = (roots[:, None, None] * by_shape).reshape(residual.shape[0], -1)
    prior_hessian, prior_gradient = _prior_equations(head, seen, fit)

    def product(a: Array, b: Array) -> Array:
        return jnp.matmul(a.T, b, precision=Precision.HIGHEST)

    return NormalEquations(
        frame=product(by_frame, by_frame) + prior_hessian,
        frame_shape=product(by_frame, by_shape),
        shape=product(by_shape, by_shape),
        frame_gradient=product(by_frame, residual) + prior_gradient,
        shape_gradient=product(by_shape, residual),
    )


def landmark_jacobians(
    head: LandmarkHead, fit: FrameFit, shape: Float[Array, "s"]
) -> tuple[Float[Array, "l 2 n"], Float[Array, "l 2 s"]]:
    """Derivatives of landmark_errors by the frame unknowns and by shape, at a fixed unit (depth over focal length)."""
    turned = _turned(head, fit, shape)
    x, y, z = jnp.moveaxis(turned + fit.translation, -1, 0)
    zero = jnp.zeros_like(z)
    by_point = jnp.stack([jnp.stack([1 / z, zero, -x / z**2], -1), jnp.stack([zero, 1 / z, -y / z**2], -1)], axis=1)
    by_point = fit.translation[2] * by_point
    a, b, c = jnp.moveaxis(turned, -1, 0)
    # d(w x p)/dw = -[p]x for a rotation vector w that turns the point p.
    by_rotation = jnp.stack(
        [jnp.stack([zero, c, -b], -1), jnp.stack([-c, zero, a], -1), jnp.stack([b, -a, zero], -1)], axis=1
    )
    rows = rows_before_turns(head, shape, fit.expression)
    by_turns = jax.jacfwd(turn_joints, argnums=(2, 3))(head, rows, fit.jaw, fit.gaze)
    by_head_point = _products(by_point, jnp.broadcast_to(fit.rotation @ FACING, (*z.shape, 3, 3)))
    # What turns with a joint moves by its rotation of the landmark less the joint.
    turns = joint_turns(fit.jaw, fit.gaze)
    by_joint = [
        head.joint_weights[:, joint, None, None] * _products(by_head_point, jnp.broadcast_to(turn, (*z.shape, 3, 3)))
        for joint, turn in enumerate(turns)
    ]
    by_landmark = by_head_point + sum(by_joint)

    def columns(basis: Array) -> Array:
        landmarks, joints = basis[: -len(turns)], basis[-len(turns) :]
        by_joints = sum(
            _products(by, jnp.broadcast_to(joint, landmarks.shape)) for by, joint in zip(by_joint, joints, strict=True)
        )
        return _products(by_landmark, landmarks) - by_joints

    by_frame = (
        jnp.concatenate([_products(by_point, by_rotation), by_point], axis=-1),
        columns(head.expression_basis),
        _products(by_head_point, jnp.concatenate(by_turns, axis=-1)),
    )
    return jnp.concatenate(by_frame, axis=-1), columns(head.shape_basis)


def _products(left: Float[Array, "l 2 3"], right: Float[Array, "l 3 k"]) -> Float[Array, "l 2 k"]:
    """Matrix products, written out: compilers make a loop of calls of small ones in a batch."""
    return sum(left[:, :, k, None] * right[:, None, k] for k in range(3))


def prior_cost(head: LandmarkHead, seen: Observation, fit: FrameFit) -> Float[Array, ""]:
    """Half of the squared distance to the priors, and the one-sided penalties."""
    low, high = jnp.minimum(fit.expression, 0.0), jnp.maximum(fit.expression - 1.0, 0.0)
    excess = jnp.maximum(head.excess @ fit.expression, 0.0)
    return 0.5 * (
        jnp.sum(head.expression_prior * jnp.square(fit.expression - seen.expression))
        + jnp.sum(head.below * jnp.square(low))
        + jnp.sum(head.above * jnp.square(high))
        + EXCESS * jnp.sum(jnp.square(excess))
        + jnp.sum(jnp.square((fit.jaw - seen.jaw) / JAW_SIGMA[: fit.jaw.shape[-1]]))
        + jnp.sum(jnp.square(fit.gaze - seen.gaze)) / GAZE_SIGMA**2
    )


def _prior_equations(head: LandmarkHead, seen: Observation, fit: FrameFit) -> tuple[Array, Array]:
    """Hessian and gradient of the prior cost by the frame unknowns; it is quadratic between its kinks."""
    w, num_jaw = fit.expression, fit.jaw.shape[-1]
    jaw = NUM_POSE + w.shape[-1]
    size = jaw + num_jaw + NUM_GAZE

    def cost(update: Array) -> Array:
        return prior_cost(head, seen, apply_update(fit, update))

    gradient = jax.grad(cost)(jnp.zeros(size))
    curvature = head.expression_prior + head.below * (w < 0) + head.above * (w > 1)
    active = EXCESS * (head.excess @ w > 0)
    expression = jnp.diag(curvature) + jnp.matmul(head.excess.T * active, head.excess)
    hessian = jnp.zeros((size, size)).at[NUM_POSE:jaw, NUM_POSE:jaw].set(expression)
    turns = jnp.arange(jaw, size)
    sigmas = np.concatenate([JAW_SIGMA[:num_jaw], np.full(NUM_GAZE, GAZE_SIGMA, np.float32)])
    return hessian.at[turns, turns].set(1.0 / sigmas**2), gradient


def _turned(head: LandmarkHead, fit: FrameFit, shape: Array) -> Array:
    """Landmarks in camera axes, about the head's origin."""
    points = landmark_points(head, shape, fit.expression, fit.jaw, fit.gaze)
    return jnp.matmul(points, (fit.rotation @ FACING).T, precision=Precision.HIGHEST)
