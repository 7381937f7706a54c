"""Mesh subdivision as precomputed sparse matrices of fixed width: midpoint (in PyTorch3D's order) and Loop.

Every level's rows begin with the rows of the level before (prefix-nested): first the old vertices, then one vertex
per edge, edges in lexicographic order. A matrix is applied as a gather: each row holds the indices and the weights of
its parents.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Array, Float, Int


class GatherTable(NamedTuple):
    """A sparse matrix with at most w entries per row: row i is the sum over j of weights[i, j] * x[indices[i, j]].

    Shorter rows are padded with weight 0 and their own first parent, so that no row reads a vertex it does not need.
    """

    indices: Int[Array | np.ndarray, "n w"]
    weights: Float[Array | np.ndarray, "n w"]


class Subdivision(NamedTuple):
    """The subdivisions of one topology, levels 0 to L.

    level_tables[k] takes level k to k + 1. composite_tables[k] takes level 0 to k in one gather: for midpoint, of at
    most 3 parents; empty for Loop, whose rows would be wide, and whose tables are chained instead.
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
        ValueError: an unknown scheme, a face that names a missing vertex, or, for Loop, an edge with more than two
            faces.
    """
    if scheme not in ("midpoint", "loop"):
        raise ValueError(f'unknown subdivision scheme {scheme!r}; expected "midpoint" or "loop"')
    if faces.size and not (faces.min() >= 0 and faces.max() < num_vertices):
        raise ValueError(f"faces: expected indices in [0, {num_vertices}), got {faces.min()} to {faces.max()}")
    all_faces, counts, matrices = [np.asarray(faces, np.int32)], [num_vertices], []
    for _ in range(num_levels):
        edges, face_edges = mesh_edges(all_faces[-1], counts[-1])
        if scheme == "midpoint":
            matrices.append(midpoint_matrix(edges, counts[-1]))
        else:
            matrices.append(loop_matrix(all_faces[-1], edges, face_edges, counts[-1]))
        all_faces.append(split_faces(all_faces[-1], face_edges + counts[-1]))
        counts.append(counts[-1] + len(edges))
    composites = []
    if scheme == "midpoint":
        composites = [scipy.sparse.eye_array(num_vertices, format="csr")]
        for matrix in matrices:
            composites.append(matrix @ composites[-1])
    tables, composite_tables = tuple(map(gather_table, matrices)), tuple(map(gather_table, composites))
    return Subdivision(tuple(all_faces), tuple(counts), tables, composite_tables)


def subdivide(table: GatherTable, values: Float[Array, "*b v c"]) -> Float[Array, "*b n c"]:
    """Applies a table to the vertices' positions or features."""
    indices, weights = table
    terms = [values[..., indices[:, j], :] * weights[:, j, None] for j in range(indices.shape[1])]
    return sum(terms[1:], terms[0])


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
    opposite = np.sort(np.stack([corners[:, [1, 2]], corners[:, [2, 0]], corners[:, [0, 1]]], axis=1), axis=-1)
    unique, inverse = np.unique(opposite[..., 0] * num_vertices + opposite[..., 1], return_inverse=True)
    edges = np.stack(np.divmod(unique, num_vertices), axis=-1)
    return edges.astype(np.int32), inverse.reshape(corners.shape).astype(np.int32)


def split_faces(faces: Int[np.ndarray, "f 3"], middle: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "g 3"]:
    """Four faces for each, in four blocks: at corner 0, at corner 1, at corner 2, the middle one.

    middle[:, j] is the new vertex on the edge opposite corner j.
    """
    (v0, v1, v2), (m0, m1, m2) = faces.T, middle.T
    blocks = [(v0, m2, m1), (v1, m0, m2), (v2, m1, m0), (m0, m1, m2)]
    return np.concatenate([np.stack(block, axis=-1) for block in blocks]).astype(np.int32)


def midpoint_matrix(edges: Int[np.ndarray, "e 2"], num_vertices: int) -> scipy.sparse.csr_array:
    """Old vertices stay; a new one is the mean of its edge's ends."""
    old, new = np.arange(num_vertices), num_vertices + np.arange(len(edges))
    rows = np.concatenate([old, np.repeat(new, 2)])
    columns = np.concatenate([old, edges.ravel()])
    weights = np.concatenate([np.ones(num_vertices), np.full(edges.size, 0.5)])
    return sparse_matrix(rows, columns, weights, num_vertices + len(edges), num_vertices)


def loop_matrix(
    faces: Int[np.ndarray, "f 3"], edges: Int[np.ndarray, "e 2"], face_edges: Int[np.ndarray, "f 3"], num_vertices: int
) -> scipy.sparse.csr_array:
    """Loop's weights.

    New vertices: 3/8 for the ends of an inner edge and 1/8 for the two corners across; 1/2 for the ends of a rim edge.
    Old vertices: beta = (5/8 - (3/8 + cos(2 pi / n) / 4)^2) / n for each of n neighbours, 1 - n beta for itself; on a
    rim, which subdivides as a cubic B-spline, 1/8 for both neighbours along it and 3/4.

    Raises:
        ValueError: an edge has more than two faces.
    """
    faces_per_edge = np.bincount(face_edges.ravel(), minlength=len(edges))
    if faces_per_edge.max(initial=0) > 2:
        raise ValueError(
            f"Loop subdivision needs at most 2 faces at every edge, got {faces_per_edge.max()}; repair the mesh or use "
            '"midpoint"'
        )
    rim = faces_per_edge == 1
    on_rim = np.zeros(num_vertices, bool)
    on_rim[edges[rim]] = True

    # Every edge both ways, as neighbour relations; at a rim vertex only its neighbours along the rim count.
    vertex, neighbour = np.concatenate([edges, edges[:, ::-1]]).T
    counts = ~on_rim[vertex] | np.tile(rim, 2)
    vertex, neighbour = vertex[counts], neighbour[counts]
    valence = np.maximum(np.bincount(vertex, minlength=num_vertices), 1)
    beta = np.where(on_rim, 1 / 8, (5 / 8 - (3 / 8 + np.cos(2 * np.pi / valence) / 4) ** 2) / valence)
    from_neighbours = np.bincount(vertex, weights=beta[vertex], minlength=num_vertices)

    old, new = np.arange(num_vertices), num_vertices + np.arange(len(edges))
    inner_corners = ~rim[face_edges]
    across = new[face_edges[inner_corners]]
    rows = np.concatenate([old, vertex, np.repeat(new, 2), across])
    columns = np.concatenate([old, neighbour, edges.ravel(), faces[inner_corners]])
    weights = np.concatenate(
        [1 - from_neighbours, beta[vertex], np.repeat(np.where(rim, 1 / 2, 3 / 8), 2), np.full(len(across), 1 / 8)]
    )
    return sparse_matrix(rows, columns, weights, num_vertices + len(edges), num_vertices)


def sparse_matrix(
    rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, num_rows: int, num_columns: int
) -> scipy.sparse.csr_array:
    """The matrix with these entries; entries at the same place add up."""
    return scipy.sparse.coo_array((weights, (rows, columns)), shape=(num_rows, num_columns)).tocsr()


def gather_table(matrix: scipy.sparse.csr_array) -> GatherTable:
    """A sparse matrix without empty rows as a table as wide as its longest row, parents in ascending order."""
    matrix.sort_indices()
    lengths = np.diff(matrix.indptr)
    column = np.arange(lengths.max(initial=1))
    used = column < lengths[:, None]
    entry = matrix.indptr[:-1, None] + np.where(used, column, 0)
    weights = np.where(used, matrix.data[entry], 0.0)
    return GatherTable(matrix.indices[entry].astype(np.int32), weights.astype(np.float32))
