"""Mesh subdivision as precomputed sparse matrices of fixed width: midpoint (PyTorch3D's order) and Loop.

Every level's rows begin with the rows of the level before (prefix-nested): first the old vertices, then one vertex
per edge. A matrix is stored as a gather: each row holds the indices and the weights of its parents, padded with
weight zero.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int


class GatherTable(NamedTuple):
    """A sparse matrix with at most w entries per row: row i is the sum over j of weights[i, j] * x[indices[i, j]]."""

    indices: Int[Array | np.ndarray, "n w"]
    weights: Float[Array | np.ndarray, "n w"]


class Subdivision(NamedTuple):
    """The subdivisions of one topology, levels 0 to L.

    level_tables[k] takes level k to k + 1. composite_tables[k] takes level 0 to k in one gather (midpoint only; empty
    for Loop, whose tables are chained).
    """

    faces: tuple[Int[Array | np.ndarray, "f 3"], ...]
    num_vertices: tuple[int, ...]
    level_tables: tuple[GatherTable, ...]
    composite_tables: tuple[GatherTable, ...]


def build_subdivision(
    faces: Int[np.ndarray, "f 3"], num_vertices: int, num_levels: int = 2, scheme: str = "midpoint"
) -> Subdivision:
    """Precomputes the subdivisions of a triangle mesh.

    scheme: "midpoint" (the paper's: old vertices stay, new ones halve their edge) or "loop" (Loop 1987).

    Raises:
        ValueError: an unknown scheme, or, for Loop, an edge with more than two faces.
    """
    if scheme not in ("midpoint", "loop"):
        raise ValueError(f'unknown subdivision scheme {scheme!r}; expected "midpoint" or "loop"')
    rule = midpoint_table if scheme == "midpoint" else loop_table
    all_faces, counts, tables = [np.asarray(faces, np.int32)], [num_vertices], []
    for _ in range(num_levels):
        edges, face_edges = mesh_edges(all_faces[-1], counts[-1])
        tables.append(rule(all_faces[-1], counts[-1], edges, face_edges))
        all_faces.append(split_faces(all_faces[-1], face_edges + counts[-1]))
        counts.append(counts[-1] + len(edges))
    composites = []
    if scheme == "midpoint":
        composites = [identity_table(num_vertices)]
        for table in tables:
            composites.append(compose(table, composites[-1]))
    return Subdivision(tuple(all_faces), tuple(counts), tuple(tables), tuple(composites))


def subdivide(table: GatherTable, values: Float[Array, "*b v c"]) -> Float[Array, "*b n c"]:
    """Applies a table to the vertices' positions or features."""
    parts = [
        values[..., table.indices[:, j], :] * table.weights[:, j, None] for j in range(table.indices.shape[1])
    ]
    return sum(parts[1:], parts[0])


def subdivide_to_level(subdivision: Subdivision, values: Float[Array, "*b v c"], level: int) -> Float[Array, "*b n c"]:
    """Level-0 values brought to a level."""
    if level == 0:
        return values
    if subdivision.composite_tables:
        return subdivide(subdivision.composite_tables[level], values)
    for table in subdivision.level_tables[:level]:
        values = subdivide(table, values)
    return values


def mesh_edges(faces: Int[np.ndarray, "f 3"], num_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """(edges [e, 2], face_edges [f, 3]): edges sorted by (low, high) vertex; column j is the edge opposite corner j."""
    corners = np.asarray(faces, np.int64)
    opposite = np.stack([corners[:, [1, 2]], corners[:, [2, 0]], corners[:, [0, 1]]], axis=1)
    opposite.sort(axis=-1)
    keys = opposite[..., 0] * num_vertices + opposite[..., 1]
    unique, inverse = np.unique(keys, return_inverse=True)
    edges = np.stack([unique // num_vertices, unique % num_vertices], axis=-1)
    return edges.astype(np.int32), inverse.reshape(keys.shape).astype(np.int32)


def split_faces(faces: Int[np.ndarray, "f 3"], middle: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "g 3"]:
    """Four faces for each, in four blocks: at corner 0, at corner 1, at corner 2, the middle one.

    middle[:, j] is the new vertex on the edge opposite corner j.
    """
    (v0, v1, v2), (m0, m1, m2) = faces.T, middle.T
    blocks = [(v0, m2, m1), (v1, m0, m2), (v2, m1, m0), (m0, m1, m2)]
    return np.concatenate([np.stack(block, axis=-1) for block in blocks]).astype(np.int32)


def identity_table(num_vertices: int) -> GatherTable:
    """Every row is its own parent."""
    return GatherTable(np.arange(num_vertices, dtype=np.int32)[:, None], np.ones((num_vertices, 1), np.float32))


def midpoint_table(faces: np.ndarray, num_vertices: int, edges: np.ndarray, face_edges: np.ndarray) -> GatherTable:
    """Old vertices stay; a new one is the mean of its edge's ends."""
    del faces, face_edges
    old = np.repeat(np.arange(num_vertices, dtype=np.int32)[:, None], 2, axis=1)
    weights = np.concatenate([np.tile([1.0, 0.0], (num_vertices, 1)), np.full((len(edges), 2), 0.5)])
    return GatherTable(np.concatenate([old, edges]), weights.astype(np.float32))


def loop_table(faces: np.ndarray, num_vertices: int, edges: np.ndarray, face_edges: np.ndarray) -> GatherTable:
    """Loop's rules: 3/8, 3/8, 1/8, 1/8 on an inner edge; (1 - n beta), beta at an inner vertex of valence n.

    beta = (5/8 - (3/8 + cos(2 pi / n) / 4)^2) / n. Along boundaries the cubic B-spline: 1/2, 1/2 and 1/8, 3/4, 1/8.
    """
    uses = np.bincount(face_edges.ravel(), minlength=len(edges))
    if uses.max(initial=0) > 2:
        raise ValueError(f"Loop subdivision needs a manifold mesh: expected 2 faces per edge, got {uses.max()}")
    boundary = uses == 1
    old, new = loop_old_rows(num_vertices, edges, boundary), loop_new_rows(faces, edges, face_edges, boundary)
    return pad_rows([*old, *new])


def loop_old_rows(num_vertices: int, edges: np.ndarray, boundary: np.ndarray) -> list[dict[int, float]]:
    """One row per old vertex: parent -> weight."""
    neighbours: list[list[int]] = [[] for _ in range(num_vertices)]
    rim: list[list[int]] = [[] for _ in range(num_vertices)]
    for (a, b), on_rim in zip(edges.tolist(), boundary.tolist(), strict=True):
        neighbours[a].append(b)
        neighbours[b].append(a)
        if on_rim:
            rim[a].append(b)
            rim[b].append(a)
    rows = []
    for vertex in range(num_vertices):
        if rim[vertex]:
            around, beta, own = rim[vertex], 1 / 8, 1.0 - len(rim[vertex]) / 8
        elif neighbours[vertex]:
            around = neighbours[vertex]
            beta = (5 / 8 - (3 / 8 + np.cos(2 * np.pi / len(around)) / 4) ** 2) / len(around)
            own = 1.0 - len(around) * beta
        else:
            around, beta, own = [], 0.0, 1.0
        rows.append({vertex: own} | dict.fromkeys(around, beta))
    return rows


def loop_new_rows(
    faces: np.ndarray, edges: np.ndarray, face_edges: np.ndarray, boundary: np.ndarray
) -> list[dict[int, float]]:
    """One row per edge: parent -> weight."""
    far: list[list[int]] = [[] for _ in edges]
    for corners, opposite_edges in zip(faces.tolist(), face_edges.tolist(), strict=True):
        for corner, edge in zip(corners, opposite_edges, strict=True):
            far[edge].append(corner)
    rows = []
    for (a, b), on_rim, across in zip(edges.tolist(), boundary.tolist(), far, strict=True):
        rows.append({a: 0.5, b: 0.5} if on_rim else {a: 3 / 8, b: 3 / 8} | dict.fromkeys(across, 1 / 8))
    return rows


def pad_rows(rows: list[dict[int, float]]) -> GatherTable:
    """Rows of parent -> weight as a table as wide as the longest of them."""
    width = max(len(row) for row in rows)
    indices, weights = np.zeros((len(rows), width), np.int32), np.zeros((len(rows), width), np.float32)
    for i, row in enumerate(rows):
        indices[i, : len(row)], weights[i, : len(row)] = list(row.keys()), list(row.values())
    return GatherTable(indices, weights)


def compose(outer: GatherTable, inner: GatherTable) -> GatherTable:
    """The table of outer after inner, with repeated parents joined and as narrow as the result allows."""
    indices = inner.indices[outer.indices].reshape(len(outer.indices), -1)
    weights = (outer.weights[..., None] * inner.weights[outer.indices]).reshape(indices.shape)
    order = np.argsort(np.where(weights > 0, indices, np.iinfo(np.int32).max), axis=1, kind="stable")
    indices, weights = np.take_along_axis(indices, order, 1), np.take_along_axis(weights, order, 1)
    # Sum runs of equal parents into their first entry.
    for j in range(indices.shape[1] - 1, 0, -1):
        same = indices[:, j] == indices[:, j - 1]
        weights[:, j - 1] += np.where(same, weights[:, j], 0.0)
        weights[:, j] = np.where(same, 0.0, weights[:, j])
    order = np.argsort(weights == 0, axis=1, kind="stable")
    indices, weights = np.take_along_axis(indices, order, 1), np.take_along_axis(weights, order, 1)
    width = int((weights > 0).sum(axis=1).max())
    return GatherTable(np.where(weights > 0, indices, 0)[:, :width].astype(np.int32), weights[:, :width])
