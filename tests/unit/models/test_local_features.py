"""Sampling, fusion, pyramid resizing, plane points: each against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import map_coordinates

from omg_jax.config import Differences
from omg_jax.geometry.camera import camera_forward, portrait_intrinsics, world_to_pixels
from omg_jax.head.model import head_vertices
from omg_jax.models.embedding import harmonic_embedding
from omg_jax.models.resize import resize_aligned
from omg_jax.models.sampling import VisibilityFusion, sample_bilinear
from omg_jax.models.shoulder import extend, plane_points, shoulder_mask
from omg_jax.types import Camera
from tests.tolerances import EXACT, FLOAT32_ROUNDING, PLANE_PIXELS, PLANE_POINTS


def portrait_camera(size: int = 64, distance: float = 9.2) -> Camera:
    """A camera in front of the face, as a batch of one."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = distance
    return Camera(jnp.asarray(pose)[None], portrait_intrinsics((size, size))[None])


def test_bilinear_samples_equal_scipy_at_pixel_centres():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(7, 9, 3)).astype(np.float32)
    pixels = rng.uniform([-1, -1], [10, 8], size=(50, 2)).astype(np.float32)
    got = sample_bilinear(jnp.asarray(image)[None], jnp.asarray(pixels)[None])[0]
    rows, columns = pixels[:, 1] - 0.5, pixels[:, 0] - 0.5
    expected = np.stack([map_coordinates(image[..., c], [rows, columns], order=1, mode="nearest") for c in range(3)], 1)
    np.testing.assert_allclose(got, expected, **FLOAT32_ROUNDING)


def test_hidden_vertices_keep_only_global_features():
    camera = portrait_camera()
    vertices = jnp.array([[[0.0, 0.0, 0.0], [0.1, 0.1, 0.0]]])
    features = jnp.ones((1, 2, 4))
    local_map = jnp.full((1, 32, 32, 4), 3.0)
    fusion = VisibilityFusion(64, 0.02, Differences())
    fused = fusion(features, local_map, vertices, jnp.array([[True, False]]), camera)
    np.testing.assert_allclose(fused[0], [[4.0] * 4, [1.0] * 4], **FLOAT32_ROUNDING)


def test_release_samples_half_a_pixel_off():
    camera = portrait_camera()
    ramp = jnp.broadcast_to(jnp.arange(32.0)[None, None, :, None], (1, 32, 32, 1))
    vertices, visible = jnp.array([[[0.0, 0.0, 0.0]]]), jnp.array([[True]])
    values = [
        VisibilityFusion(64, 0.02, Differences(half_pixel_shift=shift))(
            jnp.zeros((1, 1, 1)), ramp, vertices, visible, camera
        )
        for shift in (False, True)
    ]
    np.testing.assert_allclose(values[1] - values[0], 0.5, **FLOAT32_ROUNDING)


def test_resize_aligned_keeps_corners_and_lines():
    ramp = jnp.broadcast_to(jnp.arange(5.0)[None, :, None, None], (1, 5, 3, 1))
    got = resize_aligned(ramp, (9, 7))
    np.testing.assert_allclose(got[0, :, 2, 0], np.linspace(0, 4, 9), **FLOAT32_ROUNDING)


def test_harmonic_embedding_order():
    got = harmonic_embedding(jnp.array([0.1, 0.2, 0.3]))
    angles = np.concatenate([x * 2.0 ** np.arange(4) for x in (0.1, 0.2, 0.3)])
    expected = np.concatenate([np.sin(angles), np.cos(angles), [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(got, expected, **FLOAT32_ROUNDING)


def test_plane_points_project_to_their_pixels_and_hold_the_origin():
    camera = portrait_camera()
    turn = np.eye(4, dtype=np.float32)
    turn[:3, :3] = [[np.cos(0.4), 0, np.sin(0.4)], [0, 1, 0], [-np.sin(0.4), 0, np.cos(0.4)]]
    camera = camera._replace(world_to_camera=camera.world_to_camera @ turn)
    points, rays = plane_points(camera, 64, 16, aligned_corners=False)
    for along in (0.0, 0.7):
        pixels, _ = world_to_pixels(camera, points + along * rays)
        steps = (np.arange(16) + 0.5) * 4
        expected = np.stack(np.meshgrid(steps, steps, indexing="xy"), -1).reshape(-1, 2)
        np.testing.assert_allclose(pixels[0], expected, **PLANE_PIXELS)
    np.testing.assert_allclose(points @ camera_forward(camera)[0], 0.0, **PLANE_POINTS)


def test_the_margin_goes_on_left_right_and_below():
    """Its points lie outside of the picture, and carry on what stands at its edge."""
    camera, size, margin = portrait_camera(), 16, 2
    plain, _ = plane_points(camera, 64, size, aligned_corners=False)
    points, _ = plane_points(camera, 64, size, margin=margin, aligned_corners=False)
    grid = points.reshape(1, size + margin, size + 2 * margin, 3)
    np.testing.assert_allclose(grid[:, :size, margin:-margin].reshape(plain.shape), plain, **PLANE_POINTS)
    pixels, _ = world_to_pixels(camera, points)
    np.testing.assert_allclose(pixels[0, 0], [-margin * 4 + 2, 2], **PLANE_PIXELS)
    np.testing.assert_allclose(pixels[0, -1], [64 + margin * 4 - 2] * 2, **PLANE_PIXELS)

    picture = jnp.arange(6.0).reshape(1, 2, 3)
    expected = [[0, 0, 1, 2, 2], [3, 3, 4, 5, 5], [3, 3, 4, 5, 5]]
    np.testing.assert_allclose(extend(picture, 1)[0], expected, **EXACT)


def test_shoulder_mask_regions():
    depth = jnp.full((1, 8, 8), jnp.inf).at[0, 2:7, 2:6].set(9.0)
    matte = jnp.ones((1, 8, 8)).at[0, :, 0].set(0.0)
    paper = np.asarray(shoulder_mask(matte, depth, "bottom", 8))[0]
    assert paper[:6].sum() == 0 and paper[7].sum() == 7 and paper[6].sum() == 3
    whole = np.asarray(shoulder_mask(matte, depth, "matte", 8))[0]
    assert whole.sum() == 7 * 8 - 5 * 4


def test_a_photo_with_a_margin_shows_what_lies_there(head, source):
    """Beyond the left, right and bottom edge, but not above the photo."""
    posed = head_vertices(head, source.params)
    for x, y, shown in ((-0.8, 0.0, True), (0.8, 0.0, True), (0.0, 0.8, True), (0.0, -0.8, False)):
        moved = source.camera.world_to_camera.at[:, 0, 3].set(x).at[:, 1, 3].set(y)
        camera = source.camera._replace(world_to_camera=moved)
        plain, wide = (
            np.asarray(VisibilityFusion(128, 0.02, Differences(), margin).visibility(posed, posed, head.faces, camera))
            for margin in (0, 128)
        )
        pixels = np.asarray(world_to_pixels(camera, posed)[0])
        inside = ((pixels >= 0) & (pixels < 128)).all(axis=-1)
        assert 0.2 < inside.mean() < 0.8
        assert not plain[~inside].any()
        assert wide[~inside].any() == shown
        np.testing.assert_array_equal(wide[inside], plain[inside])


def test_sampling_gradient_reaches_the_map():
    pixels = jnp.array([[[2.0, 2.0]]])
    gradient = jax.grad(lambda m: sample_bilinear(m, pixels).sum())(jnp.zeros((1, 4, 4, 1)))
    np.testing.assert_allclose(gradient.sum(), 1.0, **FLOAT32_ROUNDING)
    np.testing.assert_allclose(gradient[0, 1:3, 1:3, 0], 0.25, **FLOAT32_ROUNDING)
