"""Fragments and their compositing, against loops written out."""

import numpy as np

from omg_jax.data.portraits.fragments import composite, layered_fragments
from tests.tolerances import FLOAT32_ROUNDING

SIZE = (24, 32)


def square(depth: float, left: float = 4.25, right: float = 20.75) -> np.ndarray:
    return np.array(
        [[left, 3.25, depth], [right, 3.25, depth], [right, 18.75, depth], [left, 18.75, depth]], np.float32
    )


QUAD = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_neighbouring_triangles_share_no_pixel_and_leave_no_gap():
    fragments = layered_fragments(square(2.0), QUAD, SIZE)
    rows, columns = np.divmod(fragments.pixels, SIZE[1])
    assert len(np.unique(fragments.pixels)) == len(fragments.pixels)
    # Pixel centres between 3.25 and 18.75, and between 4.25 and 20.75.
    inside = {(y, x) for y in range(3, 19) for x in range(4, 21) if y + 0.5 < 18.75 and x + 0.5 < 20.75}
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == inside


def test_triangles_outside_the_picture_are_cut_at_its_border():
    fragments = layered_fragments(square(2.0, left=-50.0, right=90.0), QUAD, SIZE)
    assert fragments.pixels.min() >= 0 and fragments.pixels.max() < SIZE[0] * SIZE[1]
    assert len(fragments.pixels) == SIZE[1] * 16


def test_layers_come_from_back_to_front():
    points = np.concatenate([square(2.0), square(4.0), square(3.0)])
    faces = np.concatenate([QUAD, QUAD + 4, QUAD + 8])
    fragments = layered_fragments(points, faces, SIZE)
    at = fragments.triangles[fragments.pixels == 10 * SIZE[1] + 10]
    np.testing.assert_array_equal(at // 2, [1, 2, 0])


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
    composite(np.zeros(0, np.int32), np.zeros((0, 4), np.float32), canvas)
    np.testing.assert_array_equal(canvas, 1.0)
