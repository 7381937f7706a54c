"""A shaded picture of the head mesh: shows a motion that has no video."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from omg_jax.cli.video import to_bytes
from omg_jax.geometry.camera import camera_forward
from omg_jax.geometry.normals import vertex_normals
from omg_jax.geometry.visibility import barycentrics, zbuffer
from omg_jax.head.load import Head
from omg_jax.head.model import head_vertices
from omg_jax.types import Camera, HeadParams


def mesh_picture(head: Head, params: HeadParams, camera: Camera, size: int) -> UInt8[np.ndarray, "h w 3"]:
    """The posed head in grey on black, lit from the camera."""
    faces = head.model.faces
    vertices = head_vertices(head.model, params)
    _, face_index = zbuffer(vertices, faces, camera, (size, size))
    weights = barycentrics(vertices, faces, camera, face_index)
    facing = jnp.maximum(-vertex_normals(vertices, faces) @ camera_forward(camera), 0.0)
    shade = jnp.sum(facing[faces[face_index]] * weights, axis=-1) * (face_index >= 0)
    return to_bytes(jnp.repeat(0.85 * shade[..., None], 3, axis=-1))
