"""Generated meshes for tests: one of FLAME's topology counts, and the lathe that makes it."""

from typing import NamedTuple

import numpy as np

NUM_EYE_VERTICES = 546


class Mesh(NamedTuple):
    """Outward, counter-clockwise triangles; world units, y up, z to the front."""

    vertices: np.ndarray  # [V, 3] float64
    faces: np.ndarray  # [F, 3] int32


def flame_like_mesh() -> Mesh:
    """5,023 vertices, 9,976 faces, 14,995 edges, 62 of them on two rims; three components.

    A head, open at the top and at the neck (rims of 32 and 30 edges), and two closed eyeballs of 546 vertices, half
    sunk into it. First come the head's vertices, then the left eyeball's, then the right one's.
    """
    eye = eyeball(radius=0.12)
    parts = [head(), moved(eye, (0.16, 0.15, 0.6)), moved(eye, (-0.16, 0.15, 0.6))]
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = [part.faces + start for part, start in zip(parts, starts[:-1], strict=True)]
    return Mesh(np.concatenate([part.vertices for part in parts]), np.concatenate(faces).astype(np.int32))


def head() -> Mesh:
    """3,931 vertices and 7,800 faces: an egg 1.5 units high between two rims."""
    height = np.linspace(-0.72, 0.74, 52)
    radius = 0.62 * np.sqrt(1.0 - (height / 0.8) ** 2)
    sizes = np.concatenate([[30], share(3931 - 62, radius[1:-1]), [32]])
    rings = [ring(n, r, y) * (0.85, 1.0, 1.1) for n, r, y in zip(sizes, radius, height, strict=True)]
    return lathe(rings)


def eyeball(radius: float) -> Mesh:
    """A sphere of 17 rings of 32 vertices and two poles."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 19)
    sizes = [1] + [32] * 17 + [1]
    return lathe([ring(n, radius * np.cos(a), radius * np.sin(a)) for n, a in zip(sizes, latitude, strict=True)])


def moved(mesh: Mesh, offset: tuple[float, float, float]) -> Mesh:
    return mesh._replace(vertices=mesh.vertices + np.asarray(offset))


def ring(count: int, radius: float, height: float) -> np.ndarray:
    """Points on a horizontal circle, from the front over the left side."""
    angle = 2 * np.pi * np.arange(count) / count
    return np.stack([radius * np.sin(angle), np.full(count, height), radius * np.cos(angle)], axis=-1)


def share(total: int, weights: np.ndarray) -> np.ndarray:
    """Whole numbers of the given total, in proportion to the weights."""
    return np.diff(np.round(np.cumsum(weights) / weights.sum() * total), prepend=0).astype(int)


def lathe(rings: list[np.ndarray]) -> Mesh:
    """Joins rings of points, from bottom to top, by bands of triangles; a ring of one point is a pole."""
    starts = np.cumsum([0] + [len(points) for points in rings])
    bands = [
        band(len(lower), len(upper), start, start + len(lower))
        for lower, upper, start in zip(rings[:-1], rings[1:], starts[:-2], strict=True)
    ]
    return Mesh(np.concatenate(rings), np.concatenate(bands).astype(np.int32))


def band(num_lower: int, num_upper: int, lower: int, upper: int) -> np.ndarray:
    """The triangles between two rings whose vertices begin at the indices ``lower`` and ``upper``."""
    edges_below, edges_above = (0 if n == 1 else n for n in (num_lower, num_upper))
    triangles, i, j = [], 0, 0
    while i < edges_below or j < edges_above:
        below, above = lower + i % num_lower, upper + j % num_upper
        # Advance on the ring that lags behind in angle.
        if j == edges_above or (i < edges_below and (i + 1) * num_upper <= (j + 1) * num_lower):
            triangles.append((below, lower + (i + 1) % num_lower, above))
            i += 1
        else:
            triangles.append((below, upper + (j + 1) % num_upper, above))
            j += 1
    return np.array(triangles)
