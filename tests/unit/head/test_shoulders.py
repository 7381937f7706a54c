"""Which Gaussians move with the torso."""

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import load_head
from omg_jax.head.model import JOINT_NAMES, joint_positions
from omg_jax.head.shoulders import find_shoulders
from omg_jax.types import Camera
from tests.tolerances import FLOAT32_ROUNDING


@pytest.fixture(scope="module")
def head():
    return load_head("arkit").model


def photo_camera(turn: tuple[float, float, float]) -> Camera:
    """A camera before a head that nods, turns and tilts by so many radians, one after the other."""
    rotation = jnp.diag(jnp.array([1.0, -1.0, -1.0]))
    for axis, angle in zip(jnp.eye(3), turn, strict=True):
        rotation = axis_angle_to_matrix(axis * angle) @ rotation
    return Camera(jnp.eye(4).at[:3, :3].set(rotation).at[2, 3].set(6.0), jnp.eye(3))


def shares(head, points, turn=(0.0, 0.0, 0.0), jaw=0.0):
    """points: (to the side, up) from the neck's joint, in the picture."""
    camera = photo_camera(turn)
    offsets = jnp.array([[x, -y, 0.0] for x, y in points]) @ camera.world_to_camera[:3, :3]
    pivot = joint_positions(head)[JOINT_NAMES.index("neck")]
    return np.asarray(find_shoulders(head, pivot + offsets, jnp.full(len(points), jaw), camera).shares)


def test_shoulders_lie_below_the_neck_and_the_chin_does_not(head):
    below = shares(head, [(0.0, 0.2), (0.0, 0.0), (0.0, -0.07), (0.0, -0.3)])
    assert below[0] == below[1] == 0.0 and 0.0 < below[2] < 1.0 and below[3] == 1.0
    np.testing.assert_array_equal(shares(head, [(0.0, -0.3)], jaw=1.0), 0.0)


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.5), (0.3, 0.5, 0.0), (-0.3, 0.5, 0.3)])
def test_a_turned_or_tilted_head_leaves_the_shoulders_level(head, turn):
    sides, heights = (-0.9, 0.0, 0.9), (-0.05, -0.1, -0.3, 0.3)
    rows = np.stack([shares(head, [(side, height) for side in sides], turn) for height in heights])
    np.testing.assert_allclose(rows[:, 0], rows[:, 2], **FLOAT32_ROUNDING)
    assert rows[2].min() == 1.0 and rows[3, 1] == 0.0


def test_an_exact_profile_has_shoulders_by_depth_alone(head):
    assert np.isfinite(shares(head, [(0.0, -0.3), (0.5, 0.2)], (0.0, np.pi / 2, 0.0))).all()


def test_shoulders_reach_up_beside_the_head_but_hair_close_to_it_is_the_heads(head):
    half_width = float(jnp.abs(head.template[:, 0]).max())
    assert shares(head, [(half_width + 0.1, 0.06), (half_width + 0.5, 0.06)]).tolist() == [0.0, 1.0]
    edge = shares(head, [(half_width + step, 0.06) for step in np.linspace(0.0, 0.6, 9)])
    assert (np.diff(edge) >= 0.0).all()
