"""Tracking with a file of FLAME's structure: what was put in comes out, jaw and all; scores mean what they meant."""

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
    landmark_jacobians,
    project,
)
from omg_jax.tracking.face_mesh import EXPRESSION_SCORES, LEFT_IRIS
from omg_jax.tracking.fit import fit_clip, fit_frames
from omg_jax.tracking.joint import fit_jointly
from omg_jax.tracking.landmark_head import gaze_to_eye_pose, landmark_points
from omg_jax.tracking.reduce import has_turning_jaw, reduce_to_landmarks
from omg_jax.tracking.solve import TRACKED_FOCAL, focal_pixels, steadiness_of
from tests.tolerances import (
    FIT_LANDMARKS,
    FIT_POSE,
    JACOBIANS,
    JAW_ANGLES,
    JAW_LANDMARKS,
    SHAPE_ERROR_LEFT,
    SKINNING,
    STEADY_LANDMARKS,
    TRANSFERRED_MOTION,
)

NUM_FRAMES = 6
FOCAL, DEPTH = focal_pixels(TRACKED_FOCAL), 6.0


@pytest.fixture(scope="module")
def head(flame_like):
    return load_head(f"flame:{flame_like}")


@pytest.fixture(scope="module")
def reduced(head):
    return reduce_to_landmarks(head)


@pytest.fixture(scope="module")
def truth(head) -> tuple[FrameFit, jax.Array]:
    """A person who turns and opens the mouth, and their shape."""
    rng = np.random.default_rng(3)
    swing = np.sin(np.arange(NUM_FRAMES))[:, None]
    still = np.zeros((NUM_FRAMES, 2))
    frames = FrameFit(
        rotation=euler_to_matrix(jnp.asarray(np.concatenate([0.3 * swing, 0.1 * swing, 0 * swing], 1), jnp.float32)),
        translation=jnp.asarray(np.tile([0.1, -0.05, DEPTH], (NUM_FRAMES, 1)), jnp.float32),
        expression=jnp.asarray(_padded(0.5 * rng.normal(size=(NUM_FRAMES, 30)), 100), jnp.float32),
        jaw=jnp.asarray(np.concatenate([0.12 + 0.1 * swing, still], 1), jnp.float32),
        gaze=jnp.asarray(rng.uniform(-0.2, 0.2, (NUM_FRAMES, NUM_GAZE)), jnp.float32),
    )
    return frames, jnp.asarray(_padded(0.3 * rng.normal(size=(1, 65)), 300)[0], jnp.float32)


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    return np.pad(values, [(0, 0), (0, size - values.shape[1])])


def whole_heads_landmarks(head, frames: FrameFit, shape) -> np.ndarray:
    """Landmarks of the posed mesh, in head axes: not by the reduced head."""
    params = zero_params(head.model, (NUM_FRAMES,))._replace(
        shape_params=jnp.broadcast_to(shape, (NUM_FRAMES, *shape.shape)),
        expression_params=frames.expression,
        jaw_pose=frames.jaw,
        eye_pose=gaze_to_eye_pose(frames.gaze),
    )
    return head_landmarks(head.model, jax.jit(head_vertices)(head.model, params))


@pytest.fixture(scope="module")
def seen(head, truth) -> Observation:
    """The whole head's landmarks, projected; the prior is right for the expression, half right for the jaw."""
    frames, shape = truth
    turned = whole_heads_landmarks(head, frames, shape) @ jnp.swapaxes(frames.rotation @ FACING, -1, -2)
    in_camera = turned + frames.translation[:, None]
    pixels = FOCAL * in_camera[..., :2] / in_camera[..., 2:]
    points = jnp.concatenate([pixels, turned[..., 2:] * FOCAL / DEPTH], axis=-1)
    gaze = jnp.zeros_like(frames.gaze)
    return Observation(points, frames.expression, 0.5 * frames.jaw, gaze, jnp.ones(points.shape[:2]))


def reprojection(reduced, frames: FrameFit, shape, seen: Observation) -> float:
    fitted = jax.jit(jax.vmap(project, (None, 0, None, None)))(reduced, frames, shape, FOCAL)
    return float(jnp.median(jnp.linalg.norm(fitted - seen.points[..., :2], axis=-1)))


def test_the_jaw_turns_and_its_correctives_act(head, reduced, truth):
    frames, shape = truth
    assert has_turning_jaw(head) and not has_turning_jaw(load_head("arkit"))
    own = jax.jit(jax.vmap(landmark_points, (None, None, 0, 0, 0)))(
        reduced, shape, frames.expression, frames.jaw, frames.gaze
    )
    # A landmark's corners hang on the jaw by different shares, which the reduced head averages.
    np.testing.assert_allclose(own, whole_heads_landmarks(head, frames, shape), **JAW_LANDMARKS)


def test_known_shape_gives_back_pose_and_jaw(reduced, truth, seen):
    frames, shape = truth
    fitted = fit_frames(reduced, seen, FOCAL, shape)
    np.testing.assert_allclose(fitted.rotation, frames.rotation, **FIT_POSE)
    np.testing.assert_allclose(fitted.jaw, frames.jaw, **JAW_ANGLES)
    assert reprojection(reduced, fitted, shape, seen) < FIT_LANDMARKS


def test_shape_is_found_with_the_frames(reduced, truth, seen):
    fitted, shape = fit_clip(reduced, seen, FOCAL)
    mean = fit_frames(reduced, seen, FOCAL, 0 * shape)
    assert reprojection(reduced, fitted, shape, seen) < SHAPE_ERROR_LEFT * reprojection(reduced, mean, 0 * shape, seen)


def test_the_fit_over_time_follows_the_jaw(head, reduced, truth, seen):
    frames, shape = truth
    fitted = fit_jointly(reduced, seen, FOCAL, shape, steadiness_of(head))
    assert reprojection(reduced, fitted, shape, seen) < STEADY_LANDMARKS
    assert np.corrcoef(fitted.jaw[:, 0], frames.jaw[:, 0])[0, 1] > 0.9


def test_jacobians_are_the_derivatives_of_the_errors(reduced, truth):
    frames, shape = truth
    fit = jax.tree.map(lambda values: values[1], frames)
    size = NUM_POSE + fit.expression.shape[0] + fit.jaw.shape[0] + NUM_GAZE
    unit = fit.translation[2] / FOCAL

    def errors(update, shape):
        return project(reduced, apply_update(fit, update), shape, FOCAL) * unit

    by_frame, by_shape = jax.jit(landmark_jacobians)(reduced, fit, shape)
    expected = jax.jit(jax.jacfwd(errors, argnums=(0, 1)))(jnp.zeros(size), shape)
    np.testing.assert_allclose(by_frame, expected[0], **JACOBIANS)
    np.testing.assert_allclose(by_shape, expected[1], **JACOBIANS)


@pytest.mark.parametrize("name", ["jawOpen", "mouthSmileLeft", "browInnerUp"])
def test_a_score_moves_landmarks_as_the_built_in_heads_unit_does(reduced, name):
    arkit = load_head("arkit")
    units, row = reduce_to_landmarks(arkit), EXPRESSION_SCORES.index(name)
    motion = units.expression_basis[: len(units.ids), :, arkit.expression_names.index(name)][reduced.ids]
    shape, straight = jnp.zeros(reduced.shape_basis.shape[-1]), jnp.zeros(NUM_GAZE)

    def points(share: float):
        expression, jaw = share * reduced.expression_by_score[row], share * reduced.jaw_by_score[row]
        return landmark_points(reduced, shape, expression, jaw, straight)

    left = jnp.linalg.norm(points(1.0) - points(0.0) - motion) / jnp.linalg.norm(motion)
    assert left < TRANSFERRED_MOTION
    assert (reduced.jaw_by_score[row, 0] > 0.2) == (name == "jawOpen")


def test_an_iris_lies_where_the_built_in_heads_does(head):
    arkit = load_head("arkit")
    own = np.asarray(head_landmarks(head.model, head.model.template))[np.isin(head.landmark_ids, LEFT_IRIS)]
    np.testing.assert_allclose(
        own, np.asarray(head_landmarks(arkit.model, arkit.model.template))[list(LEFT_IRIS)], **SKINNING
    )
