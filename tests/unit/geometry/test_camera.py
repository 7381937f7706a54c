"""Cameras: projection, crops, scaling, centre and view axis, on cases computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from omg_jax.geometry.camera import (
    camera_centre,
    camera_forward,
    crop_camera,
    portrait_intrinsics,
    scale_camera,
    world_to_pixels,
)
from omg_jax.geometry.rotations import euler_to_matrix
from omg_jax.types import Camera
from tests.tolerances import FLOAT32_ROUNDING, PIXEL_POSITIONS

POINTS = jax.random.uniform(jax.random.key(0), (20, 3), minval=-0.5, maxval=0.5)


def portrait_camera(angles=(0.3, -0.2, 0.1), translation=(0.02, 0.1, 10.5), size=512) -> Camera:
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = euler_to_matrix(jnp.array(angles)) @ np.diag([1.0, -1.0, -1.0])
    matrix[:3, 3] = translation
    return Camera(jnp.asarray(matrix), portrait_intrinsics((size, size)))


def test_portrait_intrinsics_are_the_papers():
    expected = [[3072, 0, 256], [0, 3072, 256], [0, 0, 1]]
    np.testing.assert_array_equal(portrait_intrinsics((512, 512)), expected)
    np.testing.assert_array_equal(portrait_intrinsics((512, 768))[:2, 2], [384, 256])


def test_a_head_that_faces_the_camera_is_upright_and_mirrored():
    camera = portrait_camera(angles=(0.0, 0.0, 0.0), translation=(0.0, 0.0, 10.0))
    left_and_up = jnp.array([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.5]])
    pixels, depth = world_to_pixels(camera, left_and_up)
    np.testing.assert_allclose(pixels, [[286.72, 256], [256, 225.28], [256, 256]], **PIXEL_POSITIONS)
    np.testing.assert_allclose(depth, [10.0, 10.0, 9.5], **FLOAT32_ROUNDING)


def test_projection_is_float64s_to_a_hundredth_of_a_pixel():
    camera = portrait_camera()
    matrix, intrinsics = (np.asarray(a, np.float64) for a in camera)
    homogeneous = (np.asarray(POINTS, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]) @ intrinsics.T
    pixels, depth = world_to_pixels(camera, POINTS)
    np.testing.assert_allclose(pixels, homogeneous[:, :2] / homogeneous[:, 2:], **PIXEL_POSITIONS)
    np.testing.assert_allclose(depth, homogeneous[:, 2], **FLOAT32_ROUNDING)


def test_points_behind_the_camera_and_their_gradients_are_finite():
    camera = portrait_camera(angles=(0.0, 0.0, 0.0), translation=(0.0, 0.0, 0.0))
    behind = jnp.array([[0.1, 0.2, 1.0], [0.0, 0.0, 0.0]])
    pixels, depth = world_to_pixels(camera, behind)
    assert np.isfinite(pixels).all() and depth[0] < 0
    assert np.isfinite(jax.grad(lambda p: world_to_pixels(camera, p)[0].sum())(behind)).all()


def test_one_camera_serves_a_batch_of_points_and_a_batch_of_cameras_one_set():
    camera = portrait_camera()
    pixels, _ = world_to_pixels(camera, POINTS)
    many_points, _ = world_to_pixels(camera, jnp.stack([POINTS, POINTS]))
    many_cameras, _ = world_to_pixels(jax.tree.map(lambda a: jnp.stack([a, a]), camera), POINTS)
    np.testing.assert_array_equal(many_points[1], pixels)
    np.testing.assert_array_equal(many_cameras[1], pixels)


def test_crop_and_scale_move_pixels_as_they_move_the_image():
    camera = portrait_camera()
    pixels, _ = world_to_pixels(camera, POINTS)
    cropped, _ = world_to_pixels(crop_camera(camera, top=-12, left=40.5), POINTS)
    np.testing.assert_allclose(cropped, pixels - np.array([40.5, -12]), **PIXEL_POSITIONS)
    halved, _ = world_to_pixels(scale_camera(camera, 0.5), POINTS)
    np.testing.assert_allclose(halved, pixels / 2, **PIXEL_POSITIONS)
    np.testing.assert_allclose(
        scale_camera(portrait_camera(size=512), 0.5).intrinsics, portrait_intrinsics((256, 256)), **FLOAT32_ROUNDING
    )


def test_scale_takes_one_factor_per_camera():
    cameras = jax.tree.map(lambda a: jnp.stack([a, a]), portrait_camera())
    focal = scale_camera(cameras, jnp.array([0.5, 2.0])).intrinsics[:, 0, 0]
    np.testing.assert_array_equal(focal, [1536, 6144])


def test_the_centre_projects_nowhere_and_the_axis_to_the_principal_point():
    camera = portrait_camera()
    centre, forward = camera_centre(camera), camera_forward(camera)
    np.testing.assert_allclose(camera.world_to_camera @ jnp.append(centre, 1.0), [0, 0, 0, 1], **PIXEL_POSITIONS)
    pixels, depth = world_to_pixels(camera, (centre + 3.0 * forward)[None])
    np.testing.assert_allclose(pixels, [[256, 256]], **PIXEL_POSITIONS)
    np.testing.assert_allclose(depth, [3.0], **FLOAT32_ROUNDING)
