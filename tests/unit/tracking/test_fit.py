"""Gauss-Newton on projections of a known head: what was put in comes out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.rotations import euler_to_matrix
from omg_jax.head.load import load_head
from omg_jax.head.model import head_landmarks, head_vertices, zero_params
from omg_jax.tracking.cost import (
    FACING,
    NUM_GAZE,
    NUM_POSE,
    FrameFit,
    Observation,
    apply_update,
    frame_equations,
    landmark_errors,
    landmark_jacobians,
    landmark_weights,
    prior_cost,
    project,
    visible,
)
from omg_jax.tracking.fit import fit_clip, fit_frames, initial_fit
from omg_jax.tracking.landmark_head import gaze_to_eye_pose, landmark_points
from omg_jax.tracking.reduce import reduce_to_landmarks
from tests.tolerances import (
    FIT_LANDMARKS,
    FIT_PARAMETERS,
    FIT_POSE,
    GAZE_LEFT,
    JACOBIANS,
    OUTLIER_PULL,
    SHAPE_CORRELATION,
    SHAPE_ERROR_LEFT,
    SKINNING,
    START_POSE,
    WEIGHT_EXCESS,
)

FOCAL = jnp.float32(3072.0)
NUM_FRAMES = 4


class Truth(NamedTuple):
    frames: FrameFit
    shape: jax.Array
    seen: Observation


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture(scope="module")
def reduced(head):
    return reduce_to_landmarks(head)


@pytest.fixture(scope="module")
def truth(reduced, head) -> Truth:
    """Turned, talking heads seen without noise; the expression's prior is right, the gaze's says straight ahead."""
    rng = np.random.default_rng(3)
    angles = rng.uniform(-0.4, 0.4, (NUM_FRAMES, 3))
    expression = rng.uniform(0, 1, (NUM_FRAMES, len(head.expression_names))) ** 3
    expression[:, head.expression_names.index("tongueOut")] = 0
    expression[:, head.expression_names.index("mouthClose")] = 0
    across, depth = rng.uniform(-0.2, 0.2, (NUM_FRAMES, 2)), rng.uniform(8.5, 10.5, (NUM_FRAMES, 1))
    frames = FrameFit(
        rotation=euler_to_matrix(jnp.asarray(angles, jnp.float32)),
        translation=jnp.asarray(np.concatenate([across, depth], axis=1), jnp.float32),
        expression=jnp.asarray(expression, jnp.float32),
        jaw=jnp.zeros((NUM_FRAMES, 0)),
        gaze=jnp.asarray(rng.uniform(-0.2, 0.2, (NUM_FRAMES, NUM_GAZE)), jnp.float32),
    )
    shape = jnp.asarray(0.3 * rng.normal(size=reduced.shape_basis.shape[-1]), jnp.float32)
    return Truth(frames, shape, observation(reduced, frames, shape))


def observation(reduced, frames: FrameFit, shape) -> Observation:
    def seen(frame: FrameFit):
        turned = landmark_points(reduced, shape, frame.expression, frame.jaw, frame.gaze) @ (frame.rotation @ FACING).T
        z = turned[:, 2:] * FOCAL / frame.translation[2]
        return jnp.concatenate([project(reduced, frame, shape, FOCAL), z], axis=-1)

    points = jax.jit(jax.vmap(seen))(frames)
    return Observation(points, frames.expression, frames.jaw, jnp.zeros_like(frames.gaze), jnp.ones(points.shape[:2]))


def median_error(reduced, truth: Truth, frames: FrameFit, shape) -> float:
    fitted = jax.jit(jax.vmap(project, (None, 0, None, None)))(reduced, frames, shape, FOCAL)
    facing = jax.jit(jax.vmap(visible, (None, 0)))(reduced, frames.rotation)
    return float(jnp.median(jnp.linalg.norm(fitted - truth.seen.points[..., :2], axis=-1)[facing]))


def test_reduced_landmarks_are_the_heads_own(head, reduced, truth):
    frame = jax.tree.map(lambda values: values[0], truth.frames)
    params = zero_params(head.model)._replace(
        shape_params=truth.shape, expression_params=frame.expression, eye_pose=gaze_to_eye_pose(frame.gaze)
    )
    expected = head_landmarks(head.model, jax.jit(head_vertices)(head.model, params))
    np.testing.assert_allclose(
        landmark_points(reduced, truth.shape, frame.expression, frame.jaw, frame.gaze), expected, **SKINNING
    )


def test_known_shape_gives_back_pose_expression_and_gaze(reduced, truth):
    frames = fit_frames(reduced, truth.seen, FOCAL, truth.shape)
    np.testing.assert_allclose(frames.rotation, truth.frames.rotation, **FIT_POSE)
    np.testing.assert_allclose(frames.translation[:, :2], truth.frames.translation[:, :2], **FIT_POSE)
    np.testing.assert_allclose(frames.expression, truth.frames.expression, **FIT_PARAMETERS)
    assert median_error(reduced, truth, frames, truth.shape) < FIT_LANDMARKS


def test_irises_pull_the_gaze_from_its_prior(reduced, truth):
    frames = fit_frames(reduced, truth.seen, FOCAL, truth.shape)
    left = jnp.abs(frames.gaze - truth.frames.gaze).mean() / jnp.abs(truth.frames.gaze).mean()
    assert left < GAZE_LEFT


def test_shape_is_found_with_the_frames(reduced, truth):
    frames, shape = fit_clip(reduced, truth.seen, FOCAL)
    start = jax.jit(jax.vmap(lambda one: initial_fit(reduced, one, focal=FOCAL)))(truth.seen)
    assert median_error(reduced, truth, frames, shape) < SHAPE_ERROR_LEFT * median_error(
        reduced, truth, start, 0 * shape
    )
    correlation = np.corrcoef(shape, truth.shape)[0, 1]
    assert correlation > SHAPE_CORRELATION


def test_outliers_do_not_pull_the_head(reduced, truth):
    """A tenth of the landmarks lie 50 pixels off."""
    wrong = jnp.arange(truth.seen.points.shape[1]) % 10 == 0
    moved = truth.seen.points + 50.0 * wrong[:, None] * jnp.array([1.0, -1.0, 0.0])
    frames = fit_frames(reduced, truth.seen._replace(points=moved), FOCAL, truth.shape)
    robust = jnp.abs(frames.translation - truth.frames.translation)[:, :2].max()
    assert robust < OUTLIER_PULL * 50.0 * float(truth.frames.translation[0, 2] / FOCAL) * float(wrong.mean())


def test_weights_stay_in_range_when_scores_are_wrong(reduced, truth, head):
    """Pairs of opposite units must not cancel each other below zero, and mouthClose must not exceed jawOpen."""
    frames = fit_frames(reduced, truth.seen._replace(expression=truth.seen.expression * 0), FOCAL, truth.shape)
    assert frames.expression.min() > -WEIGHT_EXCESS and frames.expression.max() < 1 + WEIGHT_EXCESS
    close, jaw = (frames.expression[:, head.expression_names.index(name)] for name in ("mouthClose", "jawOpen"))
    assert (close - jaw).max() < WEIGHT_EXCESS


def test_start_has_the_right_pose_for_any_roll(reduced, truth):
    upside_down = truth.frames._replace(
        rotation=euler_to_matrix(jnp.array([[0.3, 0.1, 2.8]] * NUM_FRAMES)), expression=0 * truth.frames.expression
    )
    seen = observation(reduced, upside_down, 0 * truth.shape)
    start = jax.jit(jax.vmap(lambda one: initial_fit(reduced, one, focal=FOCAL)))(seen)
    np.testing.assert_allclose(start.rotation, upside_down.rotation, **START_POSE)


def test_jacobians_are_the_derivatives_of_the_errors(reduced, truth):
    seen, fit = jax.tree.map(lambda values: values[1], (truth.seen, truth.frames))
    # At a head away from the truth, so that no term vanishes by chance.
    size = NUM_POSE + fit.expression.shape[0] + NUM_GAZE
    fit = jax.jit(apply_update)(fit, 0.03 * jnp.cos(jnp.arange(size, dtype=jnp.float32)))
    unit = fit.translation[2] / FOCAL

    def errors(update, shape):
        return (project(reduced, apply_update(fit, update), shape, FOCAL) - seen.points[:, :2]) * unit

    by_frame, by_shape = jax.jit(landmark_jacobians)(reduced, fit, truth.shape)
    expected = jax.jit(jax.jacfwd(errors, argnums=(0, 1)))(jnp.zeros(size), truth.shape)
    np.testing.assert_allclose(by_frame, expected[0], **JACOBIANS)
    np.testing.assert_allclose(by_shape, expected[1], **JACOBIANS)


def test_gradient_is_that_of_the_weighted_cost(reduced, truth):
    seen, fit = jax.tree.map(lambda values: values[2], (truth.seen, truth.frames))
    size = NUM_POSE + fit.expression.shape[0] + NUM_GAZE
    fit = jax.jit(apply_update)(fit, 0.05 * jnp.sin(jnp.arange(size, dtype=jnp.float32)))
    weights = landmark_weights(reduced, seen, fit, landmark_errors(reduced, seen, fit, truth.shape, FOCAL))
    unit = fit.translation[2] / FOCAL

    def cost(update):
        moved = apply_update(fit, update)
        errors = (project(reduced, moved, truth.shape, FOCAL) - seen.points[:, :2]) * unit
        return 0.5 * jnp.sum(weights * jnp.sum(errors**2, axis=-1)) + prior_cost(reduced, seen, moved)

    expected = jax.jit(jax.grad(cost))(jnp.zeros(size))
    scale = jnp.abs(expected).max()
    gradient = jax.jit(frame_equations)(reduced, seen, fit, truth.shape, FOCAL).frame_gradient
    np.testing.assert_allclose(gradient / scale, expected / scale, **JACOBIANS)


def test_hidden_landmarks_are_not_visible(reduced):
    profile = visible(reduced, euler_to_matrix(jnp.array([1.4, 0.0, 0.0])))
    right_side, left_side = reduced.base[:478, 0] < -0.25, reduced.base[:478, 0] > 0.25
    # yaw > 0 turns the nose to the image's left: the subject's left cheek faces the camera.
    assert profile[left_side].mean() > 0.9 and profile[right_side].mean() < 0.1


def test_head_without_landmarks_is_refused(head):
    bare = head._replace(name="flame", landmark_ids=np.zeros(0, np.int32))
    with pytest.raises(ValueError, match="'flame' has 0 landmarks"):
        reduce_to_landmarks(bare)
