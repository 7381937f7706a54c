"""Fragments and their compositing, against loops written out."""

import numpy as np
import pytest

from omg_jax.data.portraits.fragments import Fragments, composite, interpolate, layered_fragments, visible_fragments
from tests.tolerances import FLOAT32_ROUNDING

SIZE = (24, 32)
EMPTY = np.full(SIZE, np.inf, np.float32)


def square(depth: float, left: float = 4.25, right: float = 20.75) -> np.ndarray:
    return np.array(
        [[left, 3.25, depth], [right, 3.25, depth], [right, 18.75, depth], [left, 18.75, depth]], np.float32
    )


QUAD = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_neighbouring_triangles_share_no_pixel_and_leave_no_gap():
    fragments = layered_fragments(square(2.0), QUAD, EMPTY)
    rows, columns = np.divmod(fragments.pixels, SIZE[1])
    assert len(np.unique(fragments.pixels)) == len(fragments.pixels)
    # Pixel centres between 3.25 and 18.75, and between 4.25 and 20.75.
    inside = {(y, x) for y in range(3, 19) for x in range(4, 21) if y + 0.5 < 18.75 and x + 0.5 < 20.75}
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == inside


def test_triangles_outside_the_picture_are_cut_at_its_border():
    fragments = layered_fragments(square(2.0, left=-50.0, right=90.0), QUAD, EMPTY)
    assert fragments.pixels.min() >= 0 and fragments.pixels.max() < SIZE[0] * SIZE[1]
    assert len(fragments.pixels) == SIZE[1] * 16


def test_interpolation_is_perspective_correct():
    """A plane seen at a slant: 1 / z, not z, is linear over the picture."""
    points = square(1.0)
    points[1:3, 2] = 5.0
    fragments = layered_fragments(points, QUAD, EMPTY)
    depth = interpolate(fragments, points[:, 2:], QUAD)[:, 0]
    x = fragments.pixels % SIZE[1] + 0.5
    share = (x - 4.25) / 16.5
    np.testing.assert_allclose(depth, 1.0 / ((1.0 - share) / 1.0 + share / 5.0), **FLOAT32_ROUNDING)


def test_layers_come_from_back_to_front_and_only_before_what_is_solid():
    points = np.concatenate([square(2.0), square(4.0), square(3.0)])
    faces = np.concatenate([QUAD, QUAD + 4, QUAD + 8])
    solid = np.full(SIZE, 3.5, np.float32)
    fragments = layered_fragments(points, faces, solid)
    at = fragments.triangles[fragments.pixels == 10 * SIZE[1] + 10]
    np.testing.assert_array_equal(at // 2, [2, 0])


def test_visible_fragments_cover_the_face_index():
    face_index = np.full(SIZE, -1, np.int32)
    face_index[5, 6:9] = 1
    fragments = visible_fragments(square(2.0), QUAD, face_index)
    np.testing.assert_array_equal(fragments.pixels, 5 * SIZE[1] + np.array([6, 7, 8]))
    np.testing.assert_array_equal(fragments.triangles, [1, 1, 1])
    positions = interpolate(fragments, square(2.0), QUAD)
    # The pixels lie in the other triangle: weights are clipped to the face, so positions stay on its edge.
    assert (fragments.barycentrics >= 0.0).all()
    np.testing.assert_allclose(fragments.barycentrics.sum(axis=1), 1.0, **FLOAT32_ROUNDING)
    assert positions[:, 2] == pytest.approx(2.0)


def test_compositing_equals_laying_one_fragment_after_another():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 20, 200)
    alpha = rng.uniform(0.0, 1.0, (200, 1))
    colours = np.concatenate([rng.uniform(0.0, 1.0, (200, 3)) * alpha, alpha], axis=1).astype(np.float32)
    canvas = rng.uniform(0.0, 1.0, (25, 4)).astype(np.float32)
    expected = canvas.copy()
    for pixel, colour in zip(pixels, colours, strict=True):
        expected[pixel] = expected[pixel] * (1.0 - colour[3]) + colour
    composite(pixels, colours, canvas)
    np.testing.assert_allclose(canvas, expected, **FLOAT32_ROUNDING)


def test_nothing_to_composite_leaves_the_canvas():
    canvas = np.ones((4, 4), np.float32)
    empty = Fragments(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 3), np.float32))
    composite(empty.pixels, np.zeros((0, 4), np.float32), canvas)
    np.testing.assert_array_equal(canvas, 1.0)
