"""Windows, crops and the mirror move pixels and camera together."""

import numpy as np
import pytest

from omg_jax.data.view import View, crop_of, fitting_crop, head_centre, mirror_of, window_of
from omg_jax.types import HeadParams
from tests.tolerances import DOT_CENTRES, FLOAT32_ROUNDING, ROTATIONS
from tests.unit.data.dots import apart, dotted, found_near, pixels_of, portrait_camera

SIZE = 192
UNITS = np.array([1, 0, 2])


@pytest.fixture
def dots():
    """A frame, and the points of the world that it shows as dots."""
    camera = portrait_camera(SIZE, np.eye(3))
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (200, 3)).astype(np.float32)
    points = points[apart(pixels_of(camera, points), SIZE, 8)]
    image = dotted(pixels_of(camera, points), SIZE)
    params = HeadParams(*(np.zeros(n, np.float32) for n in (2, 3, 3, 3, 3, 6, 3)))
    return View(image, image[..., 0].copy(), params, camera), points


@pytest.mark.parametrize("degrees", [-30.0, 0.0, 12.0])
@pytest.mark.parametrize("zoom", [1.0, 1.3])
@pytest.mark.parametrize("size", [SIZE, 96])
def test_dots_are_where_the_camera_of_a_crop_says(dots, degrees, zoom, size):
    view, points = dots
    crop = crop_of(view, fitting_crop(np.array([80.0, 101.3]), np.deg2rad(degrees), zoom, size, SIZE))
    assert crop.image.shape == (size, size, 3) and crop.matte.shape == (size, size)
    places = pixels_of(crop.camera, points)
    seen, centres = found_near(crop.image, places)
    assert len(seen) >= 4
    np.testing.assert_allclose(centres, places[seen], **DOT_CENTRES)
    np.testing.assert_array_equal(crop.image[..., 0], crop.matte)
    rotation = crop.camera.world_to_camera[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), **ROTATIONS)


def test_a_turn_is_a_roll_of_the_camera(dots):
    view, _ = dots
    crop = crop_of(view, fitting_crop(np.full(2, SIZE / 2), np.deg2rad(20.0), 1.0, 96, SIZE))
    between = crop.camera.world_to_camera[:3, :3] @ view.camera.world_to_camera[:3, :3].T
    roll = np.deg2rad(20.0)
    expected = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    np.testing.assert_allclose(between, expected, **ROTATIONS)


def test_crops_stay_within_the_picture():
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = int(rng.integers(32, SIZE + 1))
        crop = fitting_crop(rng.uniform(-99, 299, 2), rng.uniform(-0.7, 0.7), rng.uniform(1.0, 1.3), size, SIZE)
        cosine, sine = np.cos(crop.roll), np.sin(crop.roll)
        corners = size / 2 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) / crop.zoom
        corners = crop.centre + corners @ np.array([[cosine, -sine], [sine, cosine]])
        np.testing.assert_allclose(corners, corners.clip(0, SIZE), **FLOAT32_ROUNDING)


def test_the_whole_picture_as_a_crop_is_the_picture(dots):
    view, _ = dots
    crop = crop_of(view, fitting_crop(np.zeros(2), 0.0, 1.0, SIZE, SIZE))
    np.testing.assert_array_equal(crop.image, view.image)
    np.testing.assert_array_equal(crop.camera.intrinsics, view.camera.intrinsics)
    np.testing.assert_array_equal(crop.camera.world_to_camera, view.camera.world_to_camera)


def test_a_window_is_a_crop_at_whole_pixels(dots):
    view, _ = dots
    window, crop = window_of(view, 20, 31, 96), crop_of(view, fitting_crop(np.array([79.0, 68.0]), 0.0, 1.0, 96, SIZE))
    np.testing.assert_array_equal(window.image, crop.image)
    np.testing.assert_allclose(window.camera.intrinsics, crop.camera.intrinsics)


def test_pictures_of_oblong_pixels_are_not_turned(dots):
    view, _ = dots
    view.camera.intrinsics[0, 0] *= 1.1
    with pytest.raises(ValueError, match="fx = fy.*share 0"):
        crop_of(view, fitting_crop(np.zeros(2), 0.1, 1.0, SIZE, SIZE))


def test_dots_are_where_the_mirrored_camera_says(dots):
    view, points = dots
    mirrored = mirror_of(view, UNITS)
    places = pixels_of(mirrored.camera, points * np.array([-1, 1, 1], np.float32))
    seen, centres = found_near(mirrored.image, places)
    assert len(seen) == len(points)
    np.testing.assert_allclose(centres, places, **DOT_CENTRES)
    assert head_centre(mirrored)[0] == pytest.approx(SIZE - head_centre(view)[0])


def test_the_mirror_of_the_mirror_is_the_frame(dots):
    view, _ = dots
    numbers = [np.random.default_rng(0).standard_normal(field.shape).astype(np.float32) for field in view.params]
    view = view._replace(params=HeadParams(*numbers))
    twice = mirror_of(mirror_of(view, UNITS), UNITS)
    np.testing.assert_array_equal(twice.image, view.image)
    for ours, theirs in zip((*twice.params, *twice.camera), (*view.params, *view.camera), strict=True):
        np.testing.assert_array_equal(ours, theirs)
