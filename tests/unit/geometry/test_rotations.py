"""Rotations against scipy's, their inverses, and their derivatives at the identity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from omg_jax.geometry.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quat,
    euler_to_matrix,
    matrix_to_axis_angle,
    matrix_to_euler,
    matrix_to_quat,
    multiply_quats,
    quat_to_matrix,
    rotate_by_quat,
)
from tests.tolerances import FLOAT32_ROUNDING, ROTATIONS


def random_rotations() -> Rotation:
    """Any rotations, some tiny ones and some of almost half a turn."""
    anything = Rotation.random(200, random_state=0)
    axes = anything.as_rotvec() / anything.magnitude()[:, None]
    angles = np.concatenate([np.geomspace(1e-6, 0.3, 100), np.pi - np.geomspace(1e-4, 0.1, 100)])
    return Rotation.concatenate([anything, Rotation.from_rotvec(axes * angles[:, None])])


ROTATION = random_rotations()
MATRIX = jnp.asarray(ROTATION.as_matrix(), jnp.float32)
TO_CAMERA_AXES = jnp.diag(jnp.array([1.0, -1.0, -1.0]))


def test_axis_angle_to_matrix_is_scipys():
    vectors = jnp.asarray(ROTATION.as_rotvec(), jnp.float32)
    np.testing.assert_allclose(jax.jit(axis_angle_to_matrix)(vectors), MATRIX, **FLOAT32_ROUNDING)


def test_quaternions_turn_and_multiply_as_matrices_do():
    quats = axis_angle_to_quat(jnp.asarray(ROTATION.as_rotvec(), jnp.float32))
    np.testing.assert_allclose(quat_to_matrix(quats), MATRIX, **ROTATIONS)
    vector = jnp.array([0.2, -0.5, 0.8])
    np.testing.assert_allclose(rotate_by_quat(quats, vector[None]), MATRIX @ vector, **ROTATIONS)
    products = quat_to_matrix(multiply_quats(quats, quats[::-1]))
    np.testing.assert_allclose(products, MATRIX @ MATRIX[::-1], **ROTATIONS)


def test_matrix_to_quat_is_scipys():
    expected = ROTATION.as_quat(canonical=True, scalar_first=True)
    np.testing.assert_allclose(jax.jit(matrix_to_quat)(MATRIX), expected, **FLOAT32_ROUNDING)


@pytest.mark.parametrize("axis", np.eye(3))
def test_matrix_to_quat_of_half_turns(axis):
    quat = matrix_to_quat(jnp.asarray(2 * np.outer(axis, axis) - np.eye(3), jnp.float32))
    np.testing.assert_allclose(quat, [0, *axis], **FLOAT32_ROUNDING)


@pytest.mark.parametrize(
    "there_and_back",
    [
        lambda m: quat_to_matrix(matrix_to_quat(m)),
        lambda m: axis_angle_to_matrix(matrix_to_axis_angle(m)),
        lambda m: euler_to_matrix(matrix_to_euler(m)),
    ],
    ids=["quat", "axis-angle", "euler"],
)
def test_back_to_the_same_matrix_in_any_batch(there_and_back):
    batch = MATRIX.reshape(2, -1, 3, 3)
    np.testing.assert_allclose(jax.jit(there_and_back)(batch), batch, **ROTATIONS)


def test_euler_is_roll_after_pitch_after_yaw():
    yaw, pitch, roll = 0.5, -0.3, 0.2
    expected = Rotation.from_euler("ZXY", [roll, pitch, yaw]).as_matrix()
    np.testing.assert_allclose(euler_to_matrix(jnp.array([yaw, pitch, roll])), expected, **FLOAT32_ROUNDING)


@pytest.mark.parametrize(
    ("angles", "moved"),
    [((0.3, 0.0, 0.0), (-1, 0)), ((0.0, 0.3, 0.0), (0, 1))],
    ids=["yaw: nose to the image's left", "pitch: nose down"],
)
def test_head_angles_move_the_nose_as_documented(angles, moved):
    nose = euler_to_matrix(jnp.array(angles)) @ TO_CAMERA_AXES @ jnp.array([0.0, 0.0, 1.0])
    np.testing.assert_array_equal(np.sign(np.round(nose[:2], 3)), moved)


def test_positive_roll_turns_clockwise_in_the_image():
    crown = euler_to_matrix(jnp.array([0.0, 0.0, 0.3])) @ TO_CAMERA_AXES @ jnp.array([0.0, 1.0, 0.0])
    assert crown[0] > 0 > crown[1]


def test_derivative_at_the_identity_is_the_cross_product():
    generators = jax.jit(jax.jacobian(axis_angle_to_matrix))(jnp.zeros(3))
    expected = np.cross(np.eye(3)[:, None], np.eye(3)[None])  # [axis, column] -> axis x column
    np.testing.assert_allclose(jnp.moveaxis(generators, -1, 0), np.swapaxes(expected, 1, 2), **FLOAT32_ROUNDING)
    around = jax.jit(jax.jacobian(lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v))))(jnp.zeros(3))
    np.testing.assert_allclose(around, np.eye(3), **FLOAT32_ROUNDING)


def test_derivative_agrees_with_finite_differences_where_the_series_ends():
    axis = np.array([0.6, 0.0, 0.8])
    for angle in (0.0999, 0.1001):
        vector, direction = jnp.asarray(axis * angle, jnp.float32), jnp.asarray(axis, jnp.float32)
        _, slope = jax.jvp(axis_angle_to_matrix, (vector,), (direction,))
        step = 1e-4
        ahead, behind = (Rotation.from_rotvec(axis * (angle + s)).as_matrix() for s in (step, -step))
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), **FLOAT32_ROUNDING)
