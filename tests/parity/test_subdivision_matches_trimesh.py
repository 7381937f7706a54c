"""Midpoint and Loop subdivision equal trimesh's, up to the order of new vertices."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from omg_jax.geometry.subdivision import build_subdivision, subdivide_to_level
from tests.tolerances import FLOAT32_ROUNDING

remesh = pytest.importorskip("trimesh.remesh", reason="trimesh is not installed")


def as_sets(faces: np.ndarray) -> set[frozenset]:
    return {frozenset(face) for face in faces.tolist()}


@pytest.mark.parametrize(
    ("scheme", "theirs"),
    [
        ("midpoint", lambda v, f: remesh.subdivide(*remesh.subdivide(v, f))),
        ("loop", lambda v, f: remesh.subdivide_loop(v, f, iterations=2)),
    ],
)
def test_two_levels(flame_mesh, scheme, theirs):
    vertices, faces = theirs(flame_mesh.vertices, flame_mesh.faces.astype(np.int64))
    subdivision = build_subdivision(flame_mesh.faces, len(flame_mesh.vertices), scheme=scheme)
    ours = np.asarray(subdivide_to_level(subdivision, jnp.asarray(flame_mesh.vertices, jnp.float32), 2), np.float64)
    assert len(vertices) == len(ours)
    distance, match = cKDTree(ours).query(vertices)
    np.testing.assert_allclose(distance, 0, **FLOAT32_ROUNDING)
    np.testing.assert_array_equal(np.sort(match), np.arange(len(ours)))
    assert as_sets(match[faces]) == as_sets(subdivision.faces[2])
