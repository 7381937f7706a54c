"""What each vertex sees of the sphere around the head: depth maps of the mesh from many directions, made once per clip.

Openness to the sky and soft shadows of any light are sums over these directions, so a frame costs a small product.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from omg_jax.geometry.visibility import zbuffer
from omg_jax.types import Camera

MAP_SIZE = 160
# The maps look from so far away that they are orthographic for all that matters here; world units.
DISTANCE = 100.0
# Points are lifted off their own surface by this much along the normal, and compared with this tolerance.
LIFT = 0.02
TOLERANCE = 0.025
NUM_DIRECTIONS = 72
# Below this height of a direction the shoulders stand in the way for every vertex of the head.
LOWEST_DIRECTION = -0.7
# Light that creeps round a surface that is turned away passes its own body by this much.
TURNED_AWAY = 0.45
# Lights blur over this angle (radians): about the spacing of the directions.
LIGHT_SPREAD = 0.26


class Visibility(NamedTuple):
    """seen is 1 where nothing stands between a vertex and infinity in a direction, else 0; openness as below."""

    directions: Float[np.ndarray, "d 3"]
    seen: Float[np.ndarray, "v d"]
    openness: Float[np.ndarray, "v"]

    def shadow(self, lights: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "v k"]:
        """Share of each light (unit vectors in the head's frame) that reaches each vertex."""
        weights = np.exp((self.directions @ lights.T - 1.0) / LIGHT_SPREAD**2)
        return self.seen @ (weights / weights.sum(axis=0)).astype(np.float32)


def visibility(
    vertices: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    directions: Float[np.ndarray, "d 3"],
    before: Visibility | None = None,
    changed: Bool[np.ndarray, "d"] | None = None,
) -> Visibility:
    """What each vertex sees. faces cast the shadows.

    openness is the share of the directions' light that arrives, weighted by the cosine to the normal, in [0, 1].
    before: what was seen in another pose, which only the `changed` directions replace.
    """
    if before is None:
        seen = visible_from(vertices, normals, faces, directions)
    else:
        seen = np.array(before.seen)
        seen[:, changed] = visible_from(vertices, normals, faces, directions[changed])
    return Visibility(directions, *(np.asarray(x) for x in _weighed(seen, normals, directions)))


def visible_from(
    vertices: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    directions: Float[np.ndarray, "d 3"],
) -> Float[np.ndarray, "v d"]:
    """1 where nothing stands between a vertex and infinity in a direction (a unit vector), else 0."""
    corners = vertices[faces[faces.any(axis=1)]]
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    centre = 0.5 * (low + high)
    reach = float(np.linalg.norm(high - low)) / 2.0 * 1.02
    cameras = Camera(
        np.stack([_look_from(direction, centre) for direction in directions]),
        np.broadcast_to(_map_intrinsics(reach), (len(directions), 3, 3)),
    )
    return np.asarray(_seen(vertices, vertices + LIFT * normals, faces, cameras))


def sky_directions(count: int) -> Float[np.ndarray, "d 3"]:
    """Directions spread evenly over the sphere (a Fibonacci spiral)."""
    height = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    radius, angle = np.sqrt(1.0 - height**2), np.arange(count) * 2.399963
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1).astype(np.float32)


@jax.jit
def _seen(vertices: jax.Array, lifted: jax.Array, faces: jax.Array, cameras: Camera) -> jax.Array:
    depth = zbuffer(vertices, faces, cameras, (MAP_SIZE, MAP_SIZE)).depth
    points = jnp.einsum("vj,dij->vdi", lifted, cameras.world_to_camera[:, :3, :3]) + cameras.world_to_camera[:, :3, 3]
    pixels = points[..., :2] / points[..., 2:] * cameras.intrinsics[0, 0, 0] + MAP_SIZE / 2
    column, row = jnp.moveaxis(jnp.clip(pixels.astype(jnp.int32), 0, MAP_SIZE - 1), -1, 0)
    nearest = depth[jnp.arange(len(depth)), row, column]
    return (points[..., 2] < nearest + TOLERANCE).astype(jnp.float32)


@jax.jit
def _weighed(seen: jax.Array, normals: jax.Array, directions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What is seen, with the body in the way only where a surface is turned to a direction; and the openness."""
    cosines = normals @ directions.T
    facing = jnp.maximum(cosines, 0.0)
    openness = (seen * facing).sum(axis=1) / (facing.sum(axis=1) + 1e-6)
    return jnp.where(cosines < 0.0, jnp.maximum(seen, TURNED_AWAY), seen), openness


def _map_intrinsics(reach: float) -> Float[np.ndarray, "3 3"]:
    focal = MAP_SIZE / 2 * DISTANCE / reach
    return np.array([[focal, 0, MAP_SIZE / 2], [0, focal, MAP_SIZE / 2], [0, 0, 1]], np.float32)


def _look_from(direction: Float[np.ndarray, "3"], centre: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
    """World-to-camera matrix of a map that looks from `direction` at the centre."""
    helper = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = np.stack([right, -np.cross(direction, right), -direction])
    matrix[:3, 3] = [0.0, 0.0, DISTANCE]
    matrix[:3, 3] -= matrix[:3, :3] @ centre
    return matrix
