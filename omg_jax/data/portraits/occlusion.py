"""How much of the sky and of each light a vertex sees: depth maps of the mesh from many directions."""

import jax
import numpy as np
from jaxtyping import Float, Int

from omg_jax.geometry.visibility import zbuffer
from omg_jax.types import Camera

MAP_SIZE = 192
# The maps look from so far away that they are orthographic for all that matters here; world units.
DISTANCE = 100.0
# Points are lifted off their own surface by this much along the normal, and compared with this tolerance.
LIFT = 0.02
TOLERANCE = 0.025
NUM_SKY_DIRECTIONS = 40


def visible_from(
    vertices: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    directions: Float[np.ndarray, "d 3"],
) -> Float[np.ndarray, "v d"]:
    """1 where nothing stands between a vertex and infinity in a direction (a unit vector), else 0."""
    corners = vertices[faces[faces.any(axis=1)]]
    centre = corners.mean(axis=(0, 1))
    reach = float(np.linalg.norm(corners - centre, axis=-1).max()) * 1.02
    cameras = Camera(
        np.stack([_look_from(direction, centre) for direction in directions]),
        np.broadcast_to(_map_intrinsics(reach), (len(directions), 3, 3)),
    )
    depth = np.asarray(_depth_maps(vertices, faces, cameras))
    result = np.empty((len(vertices), len(directions)), np.float32)
    lifted = vertices + LIFT * normals
    for index, (matrix, intrinsics) in enumerate(zip(*cameras, strict=True)):
        points = lifted @ matrix[:3, :3].T + matrix[:3, 3]
        pixels = points[:, :2] / points[:, 2:] * intrinsics[0, 0] + MAP_SIZE / 2
        x, y = np.clip(pixels.astype(np.int32), 0, MAP_SIZE - 1).T
        result[:, index] = points[:, 2] < depth[index, y, x] + TOLERANCE
    return result


def openness(
    vertices: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "v"]:
    """Share of the sky that each vertex sees, weighted by the cosine to its normal, in [0, 1]."""
    directions = sky_directions(NUM_SKY_DIRECTIONS)
    cosines = np.maximum(normals @ directions.T, 0.0)
    seen = visible_from(vertices, normals, faces, directions)
    return (seen * cosines).sum(axis=1) / (cosines.sum(axis=1) + 1e-6)


def light_shadow(
    vertices: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    directions: Float[np.ndarray, "k 3"],
    spread: float = 0.22,
    samples: int = 6,
) -> Float[np.ndarray, "v k"]:
    """Share of each light that reaches a vertex; a light is a disc of angular radius `spread` (radians)."""
    angles = np.arange(samples) * 2.399963
    radii = spread * np.sqrt((np.arange(samples) + 0.5) / samples)
    rays = []
    for direction in directions:
        right, up = _frame(direction)
        offset = np.cos(angles)[:, None] * right + np.sin(angles)[:, None] * up
        ray = direction + radii[:, None] * offset
        rays.append(ray / np.linalg.norm(ray, axis=1, keepdims=True))
    seen = visible_from(vertices, normals, faces, np.concatenate(rays).astype(np.float32))
    return seen.reshape(len(vertices), len(directions), samples).mean(axis=2)


def sky_directions(count: int) -> Float[np.ndarray, "d 3"]:
    """Directions spread evenly over the sphere (a Fibonacci spiral)."""
    height = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    radius, angle = np.sqrt(1.0 - height**2), np.arange(count) * 2.399963
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1).astype(np.float32)


@jax.jit
def _depth_maps(vertices: jax.Array, faces: jax.Array, cameras: Camera) -> jax.Array:
    return zbuffer(vertices, faces, cameras, (MAP_SIZE, MAP_SIZE)).depth


def _map_intrinsics(reach: float) -> Float[np.ndarray, "3 3"]:
    focal = MAP_SIZE / 2 * DISTANCE / reach
    return np.array([[focal, 0, MAP_SIZE / 2], [0, focal, MAP_SIZE / 2], [0, 0, 1]], np.float32)


def _look_from(direction: Float[np.ndarray, "3"], centre: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
    """World-to-camera matrix of a map that looks from `direction` at the centre."""
    right, up = _frame(direction)
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = np.stack([right, -up, -direction])
    matrix[:3, 3] = [0.0, 0.0, DISTANCE]
    matrix[:3, 3] -= matrix[:3, :3] @ centre
    return matrix


def _frame(direction: Float[np.ndarray, "3"]) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors orthogonal to a direction: right and up, right-handed with it."""
    helper = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    return right, np.cross(direction, right)
