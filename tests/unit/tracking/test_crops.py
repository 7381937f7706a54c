"""Rotated square windows and their coordinates."""

import numpy as np
import pytest

from omg_jax.tracking.crop import PORTRAIT_SIZE, draw_portrait, frame_in_window
from omg_jax.tracking.crops import SquareCrop, points_to_picture, sample_crop
from tests.tolerances import FLOAT32_ROUNDING, GREY_LEVELS

SIZE = 32


def ramp(height: int, width: int) -> np.ndarray:
    """A picture whose channels tell the pixel: red its column, green its row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 2, rows * 2, np.zeros_like(rows)], axis=-1).astype(np.uint8)


def test_the_whole_picture_at_its_own_size_is_the_picture():
    image = ramp(SIZE, SIZE)
    whole = SquareCrop((SIZE / 2, SIZE / 2), SIZE)
    np.testing.assert_array_equal(sample_crop(image, whole, SIZE), image)


def test_outside_is_black():
    drawn = sample_crop(np.full((SIZE, SIZE, 3), 200, np.uint8), SquareCrop((0.0, SIZE / 2), SIZE), SIZE)
    assert (drawn[:, : SIZE // 2 - 1] == 0).all() and (drawn[:, SIZE // 2 + 1 :] == 200).all()


def test_a_portrait_goes_on_beyond_the_frame_but_not_above_it():
    image = ramp(100, 100)
    portrait = draw_portrait(image, SquareCrop((50.0, 50.0), 200.0))
    inside = slice(PORTRAIT_SIZE // 4, -PORTRAIT_SIZE // 4)
    assert (portrait[: PORTRAIT_SIZE // 4 - 1] == 0).all()
    below = portrait[-PORTRAIT_SIZE // 4 + 4 :, inside]
    np.testing.assert_array_equal(below, np.broadcast_to(portrait[-1, inside], below.shape))
    assert (portrait[inside, : PORTRAIT_SIZE // 4 - 4, 0] == 0).all() and portrait[inside, 0, 1].max() == 198
    assert (portrait[inside, -PORTRAIT_SIZE // 4 + 4 :, 0] == 198).all()


def test_a_frame_in_its_window():
    found = frame_in_window((80, 100), SquareCrop((50.0, 50.0), 200.0))
    np.testing.assert_allclose(found, [0.25, 0.25, 0.75, 0.65])


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
@pytest.mark.parametrize("side", [20.0, 37.0, 90.0])
def test_points_lie_where_their_pixels_came_from(angle, side):
    image = ramp(100, 100)
    crop = SquareCrop((51.3, 48.9), side, angle)
    drawn = sample_crop(image, crop, SIZE)
    inside = np.array([[10.5, 20.5], [16.5, 15.5], [24.5, 12.5]])
    for (x, y), (column, row) in zip(points_to_picture(inside, crop, SIZE), inside - 0.5, strict=True):
        seen = drawn[int(row), int(column), :2].astype(float)
        np.testing.assert_allclose(seen, [2 * (x - 0.5), 2 * (y - 0.5)], **GREY_LEVELS)


def test_third_coordinate_is_scaled_and_not_moved():
    points = points_to_picture(np.array([[16.0, 16.0, 4.0]]), SquareCrop((70.0, 30.0), 64.0), SIZE)
    np.testing.assert_allclose(points, [[70.0, 30.0, 8.0]], **FLOAT32_ROUNDING)


def test_fine_texture_is_averaged_and_does_not_alias():
    rows, columns = np.mgrid[:512, :512]
    checks = np.repeat((((rows + columns) % 2) * 255)[..., None], 3, axis=-1).astype(np.uint8)
    drawn = sample_crop(checks, SquareCrop((256.0, 256.0), 500.0), SIZE)
    np.testing.assert_allclose(drawn, 127.5, **GREY_LEVELS)


def test_one_channel_keeps_its_axis():
    assert sample_crop(np.zeros((50, 60, 1), np.uint8), SquareCrop((30.0, 25.0), 200.0), SIZE).shape == (SIZE, SIZE, 1)
