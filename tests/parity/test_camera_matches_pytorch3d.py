"""Cameras, the plane and the direction code against PyTorch3D's conventions, by formula in float64.

PyTorch3D has no build to compare with. Its cameras turn row vectors, X_view = X R + T, into axes x left, y up, z
forward; its normalised coordinates point the same way, and its perspective matrix is applied from the right.
"""

import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from omg_jax.geometry.camera import (
    PORTRAIT_FOCAL,
    camera_centre,
    camera_forward,
    portrait_intrinsics,
    world_to_pixels,
)
from omg_jax.models.embedding import harmonic_embedding
from omg_jax.models.shoulder import plane_points
from omg_jax.types import Camera
from tests.tolerances import FLOAT32_ROUNDING, PIXEL_POSITIONS, PLANE_POINTS

SIZE, GRID = 512, 24
NEAR, FAR = 0.01, 100.0
RNG = np.random.default_rng(11)
TRANSFORM = np.diag([-1.0, 1.0, -1.0]) @ Rotation.from_rotvec([0.2, -0.4, 0.1]).as_matrix()  # R
TRANSLATION = np.array([0.05, -0.1, 10.4])  # T
TO_OPENCV = np.diag([-1.0, -1.0, 1.0])


def our_camera() -> Camera:
    """The same camera with column vectors and axes x right, y down."""
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = TO_OPENCV @ TRANSFORM.T
    world_to_camera[:3, 3] = TO_OPENCV @ TRANSLATION
    return Camera(jnp.asarray(world_to_camera, jnp.float32)[None], portrait_intrinsics((SIZE, SIZE))[None])


def test_points_project_to_the_same_pixels():
    points = RNG.uniform(-0.8, 0.8, (50, 3))
    projection = np.zeros((4, 4))
    projection[0, 0] = projection[1, 1] = PORTRAIT_FOCAL
    projection[2, 2], projection[2, 3], projection[3, 2] = FAR / (FAR - NEAR), -FAR * NEAR / (FAR - NEAR), 1.0
    view = points @ TRANSFORM + TRANSLATION
    clip = np.concatenate([view, np.ones((50, 1))], axis=1) @ projection.T
    ndc = clip[:, :2] / clip[:, 3:]
    screen = SIZE / 2.0 - ndc * SIZE / 2.0  # from the picture's upper left corner, x right, y down
    pixels, depth = world_to_pixels(our_camera(), jnp.asarray(points, jnp.float32)[None])
    np.testing.assert_allclose(pixels[0], screen, **PIXEL_POSITIONS)
    np.testing.assert_allclose(depth[0], view[:, 2], **FLOAT32_ROUNDING)


def test_centre_and_forward():
    np.testing.assert_allclose(camera_centre(our_camera())[0], -TRANSFORM @ TRANSLATION, **PLANE_POINTS)
    np.testing.assert_allclose(camera_forward(our_camera())[0], TRANSFORM[:, 2], **FLOAT32_ROUNDING)


def test_the_release_s_plane():
    """A grid over normalised coordinates from +1 to -1, its corners the picture's, through the world's origin."""
    steps = np.linspace(1.0, -1.0, GRID)
    x, y = np.meshgrid(steps, steps, indexing="xy")
    rays = np.stack([x / PORTRAIT_FOCAL, y / PORTRAIT_FOCAL, np.ones_like(x)], axis=-1).reshape(-1, 3) @ TRANSFORM.T
    origin, forward = -TRANSFORM @ TRANSLATION, TRANSFORM[:, 2]
    wanted = origin + abs(origin @ forward) * rays
    points, ours = plane_points(our_camera(), SIZE, GRID, aligned_corners=True)
    np.testing.assert_allclose(points[0], wanted, **PLANE_POINTS)
    np.testing.assert_allclose(ours[0], rays, **FLOAT32_ROUNDING)


def test_direction_code():
    """HarmonicEmbedding(4): frequencies 1, 2, 4, 8 of every component, sines, then cosines, then the components."""
    directions = np.concatenate([TRANSFORM[:, 2][None], RNG.normal(size=(5, 3))])
    angles = (directions[:, :, None] * 2.0 ** np.arange(4)).reshape(6, 12)
    wanted = np.concatenate([np.sin(angles), np.cos(angles), directions], axis=1)
    ours = harmonic_embedding(jnp.asarray(directions, jnp.float32))
    np.testing.assert_allclose(ours, wanted, **FLOAT32_ROUNDING)
