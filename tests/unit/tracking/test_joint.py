"""The fit over time: what trembles is held still, what moves is followed, what is not seen is bridged."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.rotations import euler_to_matrix
from omg_jax.head.load import load_head
from omg_jax.tracking import solve
from omg_jax.tracking.cost import FACING, FrameFit, Observation, project
from omg_jax.tracking.fit import fit_frames
from omg_jax.tracking.joint import _solve_banded, accelerations, fit_jointly
from omg_jax.tracking.landmark_head import landmark_points
from omg_jax.tracking.reduce import reduce_to_landmarks
from omg_jax.tracking.solve import steadiness_of
from tests.tolerances import BANDED_SOLUTION, BRIDGED_POSE, LAG_LEFT, TREMBLING_LEFT

FOCAL, DEPTH = solve.focal_pixels(solve.TRACKED_FOCAL), 6.0
COUNT, FPS = 40, 25.0
NOISE = 0.25  # pixels: what the net's landmarks do on a head at rest


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture(scope="module")
def reduced(head):
    return reduce_to_landmarks(head)


def swinging(head, angle: float) -> FrameFit:
    """A head that turns to and fro once a second and opens its mouth."""
    phase = 2 * np.pi * np.arange(COUNT) / FPS
    expression = np.zeros((COUNT, len(head.expression_names)))
    expression[:, head.expression_names.index("jawOpen")] = angle * (1 - np.cos(phase))
    yaw = np.stack([angle * np.sin(phase), np.zeros(COUNT), np.zeros(COUNT)], axis=-1)
    return FrameFit(
        euler_to_matrix(jnp.asarray(yaw, jnp.float32)),
        jnp.asarray(np.stack([0.3 * angle * np.sin(phase), np.zeros(COUNT), np.full(COUNT, DEPTH)], -1), jnp.float32),
        jnp.asarray(expression, jnp.float32),
        jnp.zeros((COUNT, 0)),
        jnp.zeros((COUNT, 4), jnp.float32),
    )


def seen_with_noise(reduced, frames: FrameFit) -> Observation:
    shape = jnp.zeros(reduced.shape_basis.shape[-1])

    def points(frame: FrameFit):
        turned = landmark_points(reduced, shape, frame.expression, frame.jaw, frame.gaze) @ (frame.rotation @ FACING).T
        return jnp.concatenate([project(reduced, frame, shape, FOCAL), turned[:, 2:] * FOCAL / DEPTH], axis=-1)

    exact = jax.jit(jax.vmap(points))(frames)
    noise = NOISE * np.random.default_rng(0).normal(size=(COUNT, 1, 3)).astype(np.float32)
    return Observation(exact + noise, frames.expression, frames.jaw, frames.gaze, jnp.ones(exact.shape[:2]))


def landmarks(reduced, frames: FrameFit) -> np.ndarray:
    shape = jnp.zeros(reduced.shape_basis.shape[-1])
    return np.asarray(jax.jit(jax.vmap(partial(project, reduced), (0, None, None)))(frames, shape, FOCAL))


def fits(reduced, head, seen: Observation) -> tuple[FrameFit, FrameFit]:
    """Each frame by itself, and all together."""
    shape = jnp.zeros(reduced.shape_basis.shape[-1])
    return fit_frames(reduced, seen, FOCAL, shape), fit_jointly(reduced, seen, FOCAL, shape, steadiness_of(head))


def test_a_still_head_does_not_tremble(reduced, head):
    alone, together = fits(reduced, head, seen_with_noise(reduced, swinging(head, 0.0)))
    before, after = (np.abs(np.diff(landmarks(reduced, one), 2, axis=0)).mean() for one in (alone, together))
    assert after < TREMBLING_LEFT * before


def test_a_moving_head_is_followed(reduced, head):
    truth = swinging(head, 0.4)
    _, together = fits(reduced, head, seen_with_noise(reduced, truth))
    error = np.linalg.norm(landmarks(reduced, together) - landmarks(reduced, truth), axis=-1).mean()
    assert error < NOISE + LAG_LEFT


def test_frames_without_a_face_are_bridged(reduced, head):
    truth = swinging(head, 0.2)
    gap = slice(18, 22)
    exact = seen_with_noise(reduced, truth)
    lost = exact._replace(points=exact.points.at[gap].set(exact.points[17]), weights=exact.weights.at[gap].set(0.0))
    _, together = fits(reduced, head, lost)
    np.testing.assert_allclose(together.rotation[gap], truth.rotation[gap], **BRIDGED_POSE)
    assert np.isfinite(np.concatenate([np.ravel(values) for values in together])).all()


def test_accelerations_of_steady_motion_vanish_and_of_a_jump_do_not(head):
    steady = swinging(head, 0.0)
    turns = jnp.stack([0.02 * jnp.arange(COUNT), jnp.zeros(COUNT), jnp.zeros(COUNT)], axis=-1)
    turning = steady._replace(rotation=euler_to_matrix(turns.astype(jnp.float32)))
    np.testing.assert_allclose(accelerations(turning), 0.0, **BANDED_SOLUTION)
    jump = steady._replace(translation=steady.translation.at[10:, 0].add(1.0))
    np.testing.assert_allclose(accelerations(jump)[7:11, 3], [0.0, 1.0, -1.0, 0.0], **BANDED_SOLUTION)


def test_the_banded_system_is_the_dense_one():
    rng = np.random.default_rng(2)
    count, size = 9, 5
    roots = rng.normal(size=(count, size, size))
    blocks, hold = roots @ roots.transpose(0, 2, 1) + np.eye(size), rng.uniform(0.1, 3.0, (count - 2, size))
    differences = np.kron(np.diff(np.eye(count), 2, axis=0), np.eye(size))
    dense = differences.T @ np.diag(hold.ravel()) @ differences
    for index, block in enumerate(blocks):
        dense[index * size : (index + 1) * size, index * size : (index + 1) * size] += block
    right = rng.normal(size=(count, size))
    solved = jax.jit(_solve_banded)(*(jnp.asarray(x, jnp.float32) for x in (blocks, hold, right)))
    np.testing.assert_allclose(solved, np.linalg.solve(dense, right.ravel()).reshape(count, size), **BANDED_SOLUTION)
