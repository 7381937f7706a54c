"""Fragments: the (pixel, triangle) pairs that a picture is shaded from, opaque ones and layers of transparent ones."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

# A layer this close to the surface behind it (world units) is drawn on it: brows lie on the skin, hair on the scalp.
DEPTH_BIAS = 0.01
# Fragments are worked on in pieces that stay in a core's cache.
CHUNK = 8192


class Fragments(NamedTuple):
    """pixels are flat indices (row * width + column); barycentrics are perspective-correct."""

    pixels: Int[np.ndarray, "n"]
    triangles: Int[np.ndarray, "n"]
    barycentrics: Float[np.ndarray, "n 3"]


def visible_fragments(
    points: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    face_index: Int[np.ndarray, "h w"],
    chosen: Bool[np.ndarray, "h w"] | None = None,
    centre: float = 0.5,
) -> Fragments:
    """One fragment per covered pixel (or per chosen one) of a z-buffer's face_index (-1 where empty).

    points are (x, y) in pixels and camera depth; centre is where in the pixel the fragment lies, along both axes.
    """
    pixels = np.flatnonzero(face_index >= 0 if chosen is None else chosen).astype(np.int32)
    triangles = face_index.reshape(-1)[pixels]
    return Fragments(pixels, triangles, _barycentrics(points, faces, triangles, pixels, face_index.shape[1], centre)[0])


def layered_fragments(
    points: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], depth: Float[np.ndarray, "h w"]
) -> Fragments:
    """Every fragment of every triangle in front of `depth` (camera z, +inf where empty), far triangles first.

    Triangles are ordered by the depth of their centroid; two-sided.
    """
    order = np.argsort(-points[faces, 2].sum(axis=1), kind="stable")
    pixels, rows = _cover(points[faces[order]][..., :2], depth.shape)
    triangles = order[rows].astype(np.int32)
    barycentrics, fragment_depth = _barycentrics(points, faces, triangles, pixels, depth.shape[1])
    in_front = fragment_depth < depth.reshape(-1)[pixels] + DEPTH_BIAS
    return Fragments(pixels[in_front], triangles[in_front], barycentrics[in_front])


def interpolate(
    fragments: Fragments, values: Float[np.ndarray, "k c"], corners: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "n c"]:
    """Values whose row for corner j of triangle f is corners[f, j] (faces, or uv ids), at each fragment."""
    ids = corners[fragments.triangles]
    weights = fragments.barycentrics
    result = values[ids[:, 0]] * weights[:, 0:1]
    result += values[ids[:, 1]] * weights[:, 1:2]
    result += values[ids[:, 2]] * weights[:, 2:3]
    return result


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
    triangle, offset = _expand(last - first)
    row = first[triangle] + offset
    left, right = _span(corners[triangle], row + 0.5)
    begin = np.clip(np.ceil(left - 0.5), 0, width).astype(np.int32)
    end = np.clip(np.ceil(right - 0.5), 0, width).astype(np.int32)
    span, offset = _expand(np.maximum(end - begin, 0))
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


def _expand(counts: Int[np.ndarray, "k"]) -> tuple[np.ndarray, np.ndarray]:
    """Row k repeated counts[k] times, and the running number within each repetition."""
    rows = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
    starts = np.cumsum(counts, dtype=np.int64) - counts
    return rows, (np.arange(rows.size, dtype=np.int64) - starts[rows]).astype(np.int32)


def _barycentrics(
    points: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    triangles: Int[np.ndarray, "n"],
    pixels: Int[np.ndarray, "n"],
    width: int,
    centre: float = 0.5,
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n"]]:
    """Perspective-correct barycentrics of pixels in their triangles, and the camera depth there."""
    corner = points[faces].astype(np.float32)
    edge_1, edge_2 = corner[:, 1, :2] - corner[:, 0, :2], corner[:, 2, :2] - corner[:, 0, :2]
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    # Per triangle: l1 / z1 and l2 / z2 are linear in the pixel, relative to corner 0, and so is l0 / z0.
    inverse_z = 1.0 / corner[..., 2]
    slope_1 = np.stack([edge_2[:, 1], -edge_2[:, 0]], axis=1) / area[:, None]
    slope_2 = np.stack([-edge_1[:, 1], edge_1[:, 0]], axis=1) / area[:, None]
    table = np.concatenate([corner[:, 0, :2], slope_1, slope_2, inverse_z], axis=1)
    weights, depth = np.empty((triangles.size, 3), np.float32), np.empty(triangles.size, np.float32)
    for start in range(0, triangles.size, CHUNK):
        part = slice(start, start + CHUNK)
        x0, y0, a1, b1, a2, b2, *inverse = np.ascontiguousarray(table[triangles[part]].T)
        y, x = np.divmod(pixels[part], np.int32(width))
        dx, dy = x + np.float32(centre) - x0, y + np.float32(centre) - y0
        l1, l2 = dx * a1 + dy * b1, dx * a2 + dy * b2
        shares = [np.clip(share, 0.0, 1.0) * z for share, z in zip((1.0 - l1 - l2, l1, l2), inverse, strict=True)]
        depth[part] = 1.0 / (shares[0] + shares[1] + shares[2])
        for column, share in enumerate(shares):
            weights[part, column] = share * depth[part]
    return weights, depth
