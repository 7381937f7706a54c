"""Subdivision: the paper's counts, the order of vertices and faces, the weights, against rules spelled out naively."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.subdivision import Subdivision, build_subdivision, subdivide, subdivide_to_level
from tests.meshes import Mesh, eyeball
from tests.tolerances import EXACT, FLOAT32_ROUNDING, LOOP_WEIGHTS

PYRAMID = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], np.int32)  # open at the bottom; the tip is vertex 4


@pytest.fixture(scope="module")
def midpoint(flame_mesh) -> Subdivision:
    return build_subdivision(flame_mesh.faces, len(flame_mesh.vertices))


def subdivide_slowly(mesh: Mesh) -> Mesh:
    """Midpoint subdivision in the order that PyTorch3D documents: edges by (low, high), children corner by corner."""
    vertices, faces = mesh
    edges = sorted({(min(a, b), max(a, b)) for f in faces.tolist() for a, b in zip(f, f[1:] + f[:1], strict=True)})
    number = {edge: len(vertices) + i for i, edge in enumerate(edges)}
    middle = np.array([(vertices[a] + vertices[b]) / 2 for a, b in edges])
    at_corner: list[list] = [[], [], [], []]
    for v0, v1, v2 in faces.tolist():
        m0, m1, m2 = (number[min(a, b), max(a, b)] for a, b in ((v1, v2), (v2, v0), (v0, v1)))
        children = ((v0, m2, m1), (v1, m0, m2), (v2, m1, m0), (m0, m1, m2))
        for block, child in zip(at_corner, children, strict=True):
            block.append(child)
    return Mesh(np.concatenate([vertices, middle]), np.array(sum(at_corner, []), np.int32))


def entries_per_row(table) -> np.ndarray:
    return (np.asarray(table.weights) != 0).sum(axis=1)


def test_the_papers_counts_on_flames_topology(midpoint):
    """Table 5: Gaussians per level of detail."""
    assert midpoint.num_vertices == (5_023, 20_018, 79_936)
    assert [len(faces) for faces in midpoint.faces] == [9_976, 39_904, 159_616]


def test_the_composite_of_two_levels_has_at_most_three_parents(midpoint):
    composite = midpoint.composite_tables[2]
    assert composite.indices.shape == (79_936, 3)
    np.testing.assert_array_equal(np.bincount(entries_per_row(composite)), [0, 5_023, 44_985, 29_928])
    assert entries_per_row(composite).sum() == 184_777
    np.testing.assert_array_equal(np.unique(composite.weights), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(composite.weights.sum(axis=1), 1)


def test_order_is_pytorch3ds(flame_mesh, midpoint):
    expected = flame_mesh
    for level in (1, 2):
        expected = subdivide_slowly(expected)
        np.testing.assert_array_equal(midpoint.faces[level], expected.faces)
        ours = subdivide_to_level(midpoint, jnp.asarray(flame_mesh.vertices, jnp.float32), level)
        np.testing.assert_allclose(ours, expected.vertices, **FLOAT32_ROUNDING)


def test_levels_begin_with_the_rows_of_the_level_before(flame_mesh, midpoint):
    features = jax.random.normal(jax.random.key(0), (2, 5_023, 7))
    levels = [subdivide_to_level(midpoint, features, level) for level in range(3)]
    for level in (0, 1):
        np.testing.assert_allclose(levels[level + 1][:, : midpoint.num_vertices[level]], levels[level], **EXACT)


def test_chained_tables_equal_the_composite(midpoint):
    features = jax.random.normal(jax.random.key(1), (5_023, 4))
    chained = subdivide(midpoint.level_tables[1], subdivide(midpoint.level_tables[0], features))
    np.testing.assert_allclose(chained, subdivide_to_level(midpoint, features, 2), **FLOAT32_ROUNDING)


def test_a_bad_vertex_spoils_only_what_descends_from_it(midpoint):
    values = jnp.zeros((5_023, 1)).at[0].set(jnp.nan)
    spoilt = np.isnan(subdivide_to_level(midpoint, values, 2)[:, 0])
    composite = midpoint.composite_tables[2]
    np.testing.assert_array_equal(spoilt, ((composite.indices == 0) & (composite.weights != 0)).any(axis=1))


def test_gradient_is_the_transposed_matrix(midpoint):
    table = midpoint.composite_tables[2]
    cotangent = jax.random.normal(jax.random.key(2), (79_936, 2))
    _, pull_back = jax.vjp(lambda values: subdivide(table, values), jnp.zeros((5_023, 2)))
    expected = np.zeros((5_023, 2))
    for j in range(3):
        np.add.at(expected, table.indices[:, j], table.weights[:, j, None] * np.asarray(cotangent, np.float64))
    np.testing.assert_allclose(pull_back(cotangent)[0], expected, **FLOAT32_ROUNDING)


def test_loop_weights_of_a_pyramid():
    """Every rule of Loop's once: inner and rim vertices, inner and rim edges."""
    matrix = np.zeros((5 + 8, 5))
    table = build_subdivision(PYRAMID, 5, num_levels=1, scheme="loop").level_tables[0]
    np.add.at(matrix, (np.arange(13)[:, None], table.indices), table.weights)
    beta = (5 / 8 - (3 / 8) ** 2) / 4  # valence 4: the cosine is zero
    np.testing.assert_allclose(matrix[4], [beta, beta, beta, beta, 1 - 4 * beta], **LOOP_WEIGHTS)
    np.testing.assert_allclose(matrix[0], [3 / 4, 1 / 8, 0, 1 / 8, 0], **LOOP_WEIGHTS)
    edges = [(0, 1), (0, 3), (0, 4), (1, 2), (1, 4), (2, 3), (2, 4), (3, 4)]
    np.testing.assert_allclose(matrix[5 + edges.index((1, 2))], [0, 1 / 2, 1 / 2, 0, 0], **LOOP_WEIGHTS)
    np.testing.assert_allclose(matrix[5 + edges.index((1, 4))], [1 / 8, 3 / 8, 1 / 8, 0, 3 / 8], **LOOP_WEIGHTS)


def test_loop_keeps_midpoints_topology_and_constants(flame_mesh, midpoint):
    loop = build_subdivision(flame_mesh.faces, 5_023, scheme="loop")
    assert loop.composite_tables == ()
    for ours, theirs in zip(loop.faces, midpoint.faces, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(subdivide_to_level(loop, jnp.ones((5_023, 1)), 2), 1, **FLOAT32_ROUNDING)


def test_loop_smooths_and_shrinks_a_sphere():
    sphere = eyeball(radius=1.0)
    loop = build_subdivision(sphere.faces, len(sphere.vertices), scheme="loop")
    radii = np.linalg.norm(subdivide_to_level(loop, jnp.asarray(sphere.vertices, jnp.float32), 2), axis=-1)
    assert 0.9 < radii.min() and radii.max() < 1.0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="unknown subdivision scheme 'butterfly'"):
        build_subdivision(PYRAMID, 5, scheme="butterfly")
    with pytest.raises(ValueError, match=r"expected indices in \[0, 4\)"):
        build_subdivision(PYRAMID, 4)
    book = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]], np.int32)
    with pytest.raises(ValueError, match="at most 2 faces at every edge, got 3"):
        build_subdivision(book, 5, scheme="loop")
    assert build_subdivision(book, 5, num_levels=1).num_vertices == (5, 12)
