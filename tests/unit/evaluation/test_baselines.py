"""Baselines: what does not move stays, what moves as a whole is moved, and nobody looks at the driver's picture."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from omg_jax.evaluation import baselines
from omg_jax.evaluation.baselines import blur, fit_similarity, make_baselines, nearest_true, sample, surface_map
from omg_jax.geometry.camera import crop_camera
from tests.tolerances import RESAMPLED, SIMILARITY
from tests.unit.evaluation.small_clips import SIZE, small_pairs

SHIFT = (3, -2)  # pixels to the right and down


@pytest.fixture
def pair(clips, head):
    """A pair whose driver frames are the photo's, moved by SHIFT more from frame to frame; its pictures are hidden."""
    pair = small_pairs(clips, head, "self").pairs["anna"]()
    count = len(pair.frame_numbers)
    cameras = [crop_camera(pair.source_camera, -SHIFT[1] * k, -SHIFT[0] * k) for k in range(count)]
    return pair._replace(
        driver_images=np.full_like(pair.driver_images, np.nan),
        driver_mattes=np.full_like(pair.driver_mattes, np.nan),
        driver_params=jax.tree.map(lambda x: np.stack([x] * count), pair.source_params),
        driver_camera=jax.tree.map(lambda *x: np.stack(x), *cameras),
    )


@pytest.fixture
def flow_that_stays(monkeypatch):
    """Nothing fades out below the neck: the small picture would be below it."""
    monkeypatch.setattr(baselines, "NECK_FADE", 1e-3)


def mapped(pair, head, index):
    """Where a driver's pixels lie in the photo."""
    driver = jax.tree.map(lambda x: x[index], (pair.driver_params, pair.driver_camera))
    found = surface_map(head.model, (pair.source_params, pair.source_camera), driver, (SIZE, SIZE))
    return jax.tree.map(np.asarray, found)


def inside_of(found):
    """Where the mesh is and the photo shows it, some pixels inside of its edge."""
    return ndimage.binary_erosion(found.shown, iterations=2)


@pytest.mark.parametrize("name", ["repeat", "similarity", "projection", "mesh flow"])
def test_the_photos_own_pose_gives_the_photo(pair, head, name):
    picture = next(make_baselines(head.model)[name](pair))
    inside = inside_of(mapped(pair, head, 0)) if name == "projection" else np.ones((SIZE, SIZE), bool)
    np.testing.assert_allclose(picture[inside], pair.source_image[inside], **RESAMPLED)


@pytest.mark.parametrize("name", ["similarity", "projection", "mesh flow"])
def test_what_moves_across_the_picture_is_moved(pair, head, name, flow_that_stays):
    pictures = list(make_baselines(head.model)[name](pair))
    moved = np.roll(pair.source_image, (2 * SHIFT[1], 2 * SHIFT[0]), axis=(0, 1))
    inside = inside_of(mapped(pair, head, 2))
    assert inside.any()
    np.testing.assert_allclose(pictures[2][inside], moved[inside], **RESAMPLED)


def test_repeat_and_projection_leave_the_background_alone(pair, head):
    methods = make_baselines(head.model)
    assert all(picture is pair.source_image for picture in methods["repeat"](pair))
    *_, last = methods["projection"](pair)
    outside = ~mapped(pair, head, -1).covered
    np.testing.assert_array_equal(last[outside], pair.source_image[outside])


def test_a_similarity_is_recovered_from_its_points():
    rng = np.random.default_rng(0)
    points = rng.normal(0.0, 10.0, (20, 2))
    matrix, shift = 1.3 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]), np.array([5.0, -7.0])
    found = fit_similarity(points, points @ matrix.T + shift)
    np.testing.assert_allclose(found[0], matrix, **SIMILARITY)
    np.testing.assert_allclose(found[1], shift, **SIMILARITY)


def test_samples_are_scipys():
    rng = np.random.default_rng(0)
    image = rng.uniform(0.0, 1.0, (12, 9, 3)).astype(np.float32)
    pixels = rng.uniform(-3.0, 15.0, (20, 5, 2)).astype(np.float32)
    where = [pixels[..., 1] - 0.5, pixels[..., 0] - 0.5]
    expected = [ndimage.map_coordinates(image[..., c], where, order=1, mode="nearest") for c in range(3)]
    np.testing.assert_allclose(sample(image, pixels), np.stack(expected, axis=-1), **RESAMPLED)


def test_the_blur_is_scipys():
    flow = np.random.default_rng(0).normal(0.0, 1.0, (40, 30, 2)).astype(np.float32)
    expected = [ndimage.gaussian_filter(flow[..., c], baselines.FLOW_BLUR, mode="nearest") for c in range(2)]
    np.testing.assert_allclose(blur(flow), np.stack(expected, axis=-1), **RESAMPLED)


def test_nothing_shown_leaves_every_pixel_its_own():
    rows, columns = nearest_true(np.zeros((3, 4), bool))
    np.testing.assert_array_equal(np.stack([rows, columns]), np.indices((3, 4)))
