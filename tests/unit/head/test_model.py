"""Skinning against a float64 numpy formula, and the meaning of each parameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from omg_jax.head.model import (
    JOINT_PARENTS,
    HeadModel,
    bake_identity,
    head_landmarks,
    head_vertices,
    joint_positions,
    zero_params,
)
from omg_jax.types import HeadParams
from tests.tolerances import FLOAT32_ROUNDING, SKINNING

NUM_VERTICES, NUM_SHAPE, NUM_EXPRESSION, NUM_LANDMARKS = 40, 6, 4, 7


@pytest.fixture(scope="module")
def model() -> HeadModel:
    rng = np.random.default_rng(0)
    weights = rng.uniform(size=(NUM_VERTICES, 5)) ** 3
    regressor = rng.uniform(size=(5, NUM_VERTICES))
    arrays = dict(
        template=rng.normal(size=(NUM_VERTICES, 3)),
        shape_basis=rng.normal(scale=0.1, size=(NUM_VERTICES, 3, NUM_SHAPE)),
        expression_basis=rng.normal(scale=0.1, size=(NUM_VERTICES, 3, NUM_EXPRESSION)),
        pose_correctives=rng.normal(scale=0.1, size=(36, NUM_VERTICES, 3)),
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        skinning_weights=weights / weights.sum(axis=1, keepdims=True),
        landmark_barycentrics=rng.dirichlet(np.ones(3), size=NUM_LANDMARKS),
    )
    return HeadModel(
        **{name: jnp.asarray(values, jnp.float32) for name, values in arrays.items()},
        parents=jnp.asarray(JOINT_PARENTS),
        faces=jnp.asarray(rng.integers(0, NUM_VERTICES, size=(20, 3)), jnp.int32),
        landmark_faces=jnp.asarray(rng.integers(0, 20, size=NUM_LANDMARKS), jnp.int32),
    )


def random_params(model: HeadModel, seed: int, batch_shape: tuple[int, ...] = ()) -> HeadParams:
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda x: jnp.asarray(rng.normal(scale=0.5, size=x.shape), jnp.float32), zero_params(model, batch_shape)
    )


def skinned_in_float64(model: HeadModel, params: HeadParams, offsets: np.ndarray) -> np.ndarray:
    """One head, joint by joint with 4x4 matrices."""
    m = {name: np.asarray(value, np.float64) for name, value in model._asdict().items()}
    p = {name: np.asarray(value, np.float64) for name, value in params._asdict().items()}
    rest = m["template"] + offsets + m["shape_basis"] @ p["shape_params"]
    rest = rest + m["expression_basis"] @ p["expression_params"]
    joints = m["joint_regressor"] @ rest
    vectors = [p["global_rotation"], p["neck_pose"], p["jaw_pose"], p["eye_pose"][:3], p["eye_pose"][3:]]
    rotations = Rotation.from_rotvec(np.stack(vectors)).as_matrix()
    feature = (rotations[1:] - np.eye(3)).ravel()
    rest = rest + np.tensordot(feature, m["pose_correctives"], axes=1)
    world = []
    for joint, parent in enumerate(JOINT_PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    posed = np.zeros_like(rest)
    for joint, matrix in enumerate(world):
        moved = (rest - joints[joint]) @ matrix[:3, :3].T + matrix[:3, 3]
        posed += m["skinning_weights"][:, joint : joint + 1] * moved
    return posed + p["translation"]


def test_vertices_follow_the_formula(model):
    params = random_params(model, 1)
    offsets = np.random.default_rng(2).normal(scale=0.05, size=(NUM_VERTICES, 3)).astype(np.float32)
    expected = skinned_in_float64(model, params, offsets)
    np.testing.assert_allclose(head_vertices(model, params, jnp.asarray(offsets)), expected, **SKINNING)


def test_zero_parameters_give_the_template(model):
    vertices = head_vertices(model, zero_params(model))
    np.testing.assert_allclose(vertices, model.template, **FLOAT32_ROUNDING)


def test_batches_equal_single_heads(model):
    params = random_params(model, 3, (2, 3))
    batched = jax.jit(head_vertices)(model, params)
    single = jnp.stack(
        [
            jnp.stack([head_vertices(model, jax.tree.map(lambda x, i=i, j=j: x[i, j], params)) for j in range(3)])
            for i in range(2)
        ]
    )
    assert batched.shape == (2, 3, NUM_VERTICES, 3)
    np.testing.assert_allclose(batched, single, **SKINNING)


def test_offsets_move_the_joints(model):
    """A constant offset moves template and joints alike, so a turned head moves as a whole."""
    params = random_params(model, 4)._replace(global_rotation=jnp.zeros(3))
    shift = jnp.array([0.3, -0.2, 0.1])
    moved = head_vertices(model, params, jnp.broadcast_to(shift, (NUM_VERTICES, 3)))
    np.testing.assert_allclose(moved, head_vertices(model, params) + shift, **SKINNING)


def test_gradients_at_rest_are_finite(model):
    gradient = jax.grad(lambda p: jnp.sum(head_vertices(model, p) ** 2))(zero_params(model))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.abs(gradient.neck_pose).max() > 0


def test_landmarks_lie_on_their_faces(model):
    vertices = head_vertices(model, random_params(model, 5, (2,)))
    landmarks = head_landmarks(model, vertices)
    corners = np.asarray(vertices)[1][np.asarray(model.faces)[np.asarray(model.landmark_faces)]]
    expected = np.einsum("lk,lkc->lc", np.asarray(model.landmark_barycentrics), corners)
    assert landmarks.shape == (2, NUM_LANDMARKS, 3)
    np.testing.assert_allclose(landmarks[1], expected, **FLOAT32_ROUNDING)


def test_a_persons_own_head_moves_as_the_model_with_their_shape(model):
    params, offsets = random_params(model, 5), jnp.asarray(np.random.default_rng(6).normal(size=(NUM_VERTICES, 3)))
    offsets = 0.1 * offsets.astype(jnp.float32)
    own = bake_identity(model, params.shape_params, offsets)
    ours = head_vertices(own, params._replace(shape_params=jnp.zeros(0)))
    np.testing.assert_allclose(ours, head_vertices(model, params, offsets), **SKINNING)
    expected = np.asarray(model.joint_regressor) @ np.asarray(own.template)
    np.testing.assert_allclose(joint_positions(own), expected, **SKINNING)
