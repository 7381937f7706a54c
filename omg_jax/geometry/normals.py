"""Vertex normals."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def vertex_normals(vertices: Float[Array, "*b v 3"], faces: Int[Array, "f 3"]) -> Float[Array, "*b v 3"]:
    """Unit normals, outward for counter-clockwise faces: the area-weighted mean of the adjoining faces' normals.

    A vertex of no face, or of degenerate faces only, gets a zero normal.
    """
    corners = vertices[..., faces, :]
    face_normals = jnp.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    summed = jnp.zeros_like(vertices)
    for corner in range(3):
        summed = summed.at[..., faces[:, corner], :].add(face_normals)
    squared = jnp.sum(summed**2, axis=-1, keepdims=True)
    return jnp.where(squared > 0, summed / jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
