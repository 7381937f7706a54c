"""Fragments: the (pixel, triangle) pairs that a picture is shaded from, opaque ones and layers of transparent ones."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse


class Fragments(NamedTuple):
    """pixels are flat indices (row * width + column)."""

    pixels: Int[np.ndarray, "n"]
    triangles: Int[np.ndarray, "n"]


def layered_fragments(
    points: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], size: tuple[int, int]
) -> Fragments:
    """Every fragment of every triangle, far triangles first: (pixel, triangle) pairs, two-sided.

    points are (x, y) in pixels and camera depth. Triangles are ordered by the depth of their centroid.
    """
    order = np.argsort(-points[faces, 2].sum(axis=1), kind="stable")
    pixels, rows = _cover(points[faces[order]][..., :2], size)
    return Fragments(pixels, order[rows].astype(np.int32))


def composite(
    pixels: Int[np.ndarray, "n"], colours: Float[np.ndarray, "n 4"], canvas: Float[np.ndarray, "p 4"]
) -> None:
    """Lays premultiplied colours over the canvas in place, in the order in which they come for each pixel."""
    count = pixels.size
    if count == 0:
        return
    # The conversion to rows is a stable counting sort by pixel.
    table = sparse.coo_matrix((np.arange(count, dtype=np.int32), (pixels, np.arange(count))), (len(canvas), count))
    table = table.tocsr()
    order, starts = table.data, table.indptr
    layers = np.diff(starts)
    touched = np.flatnonzero(layers)
    touched = touched[np.argsort(-layers[touched], kind="stable")]
    first, depth_of = starts[touched], layers[touched]
    result = canvas[touched]
    for layer in range(depth_of[0]):
        active = np.searchsorted(-depth_of, -layer, side="left")
        colour = colours[order[first[:active] + layer]]
        result[:active] *= 1.0 - colour[:, 3:]
        result[:active] += colour
    canvas[touched] = result


def _cover(corners: Float[np.ndarray, "t 3 2"], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Flat pixels whose centre lies in each triangle, and the triangle's row, triangle after triangle."""
    height, width = size
    first = np.clip(np.ceil(corners[..., 1].min(axis=1) - 0.5), 0, height).astype(np.int32)
    last = np.clip(np.ceil(corners[..., 1].max(axis=1) - 0.5), 0, height).astype(np.int32)
    triangle, offset = expand(last - first)
    row = first[triangle] + offset
    left, right = _span(corners[triangle], row + 0.5)
    begin = np.clip(np.ceil(left - 0.5), 0, width).astype(np.int32)
    end = np.clip(np.ceil(right - 0.5), 0, width).astype(np.int32)
    span, offset = expand(np.maximum(end - begin, 0))
    return row[span] * width + begin[span] + offset, triangle[span]


def _span(corners: Float[np.ndarray, "s 3 2"], y: Float[np.ndarray, "s"]) -> tuple[np.ndarray, np.ndarray]:
    """Where the horizontal line at y enters and leaves each triangle."""
    left, right = np.full(y.shape, np.inf), np.full(y.shape, -np.inf)
    for begin, end in ((0, 1), (1, 2), (2, 0)):
        a, b = corners[:, begin], corners[:, end]
        rise = b[:, 1] - a[:, 1]
        t = (y - a[:, 1]) / np.where(rise == 0.0, 1.0, rise)
        crossed = (rise != 0.0) & (t >= 0.0) & (t <= 1.0)
        x = a[:, 0] + t * (b[:, 0] - a[:, 0])
        left = np.where(crossed, np.minimum(left, x), left)
        right = np.where(crossed, np.maximum(right, x), right)
    missed = ~np.isfinite(left)
    return np.where(missed, 0.0, left), np.where(missed, 0.0, right)


def expand(counts: Int[np.ndarray, "k"]) -> tuple[np.ndarray, np.ndarray]:
    """Row k repeated counts[k] times, and the running number within each repetition."""
    rows = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
    starts = np.cumsum(counts, dtype=np.int64) - counts
    return rows, (np.arange(rows.size, dtype=np.int64) - starts[rows]).astype(np.int32)
