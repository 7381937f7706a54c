"""A small textured renderer for looking at the head and for showing it to the landmark net."""

from typing import NamedTuple

import jax
import numpy as np

from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.geometry.rotations import euler_to_matrix
from omg_jax.geometry.visibility import barycentrics, zbuffer
from omg_jax.types import Camera

SUN = np.array([0.25, 0.45, 0.86])
AMBIENT = 0.55

_trace = jax.jit(zbuffer, static_argnums=3)
_barycentrics = jax.jit(barycentrics)


class View(NamedTuple):
    """The paper's camera at a distance from the head's origin, turned about it."""

    rotation: np.ndarray
    distance: float
    size: int

    def camera(self) -> Camera:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[2, 3] = self.rotation, self.distance
        return Camera(matrix.astype(np.float32), portrait_intrinsics((self.size, self.size)))

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Float64, x right, y down, z forward."""
        return points @ self.rotation.T + [0.0, 0.0, self.distance]

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Float64 pixels; the centre of the first is (0.5, 0.5)."""
        in_camera = self.to_camera(points)
        return in_camera[..., :2] / in_camera[..., 2:] * self.focal + self.size / 2

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return float(portrait_intrinsics((self.size, self.size))[0, 0])


def view(yaw: float = 0.0, pitch: float = 0.0, distance: float = 9.2, size: int = 512) -> View:
    """Degrees. Positive yaw: nose to the image's left; positive pitch: down."""
    turned = np.asarray(euler_to_matrix(np.deg2rad(np.array([yaw, pitch, 0.0], np.float32))), np.float64)
    return View(turned @ np.diag([1.0, -1.0, -1.0]), distance, size)


class Hits(NamedTuple):
    """What each pixel sees: face id (-1 for none), perspective-correct barycentrics, camera z (inf for none)."""

    faces: np.ndarray
    barycentrics: np.ndarray
    depth: np.ndarray


def trace(vertices: np.ndarray, faces: np.ndarray, seen_from: View) -> Hits:
    """Z-buffer of a mesh with barycentrics."""
    vertices, camera = vertices.astype(np.float32), seen_from.camera()
    buffer = _trace(vertices, faces.astype(np.int32), camera, (seen_from.size, seen_from.size))
    weights = _barycentrics(vertices, faces.astype(np.int32), camera, buffer.face_index)
    return Hits(*(np.asarray(values) for values in (buffer.face_index, weights, buffer.depth)))


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals, area-weighted."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def interpolate(values: np.ndarray, hits: Hits) -> np.ndarray:
    """Per-face-corner values [F, 3, C] at the pixels [H, W, C]; garbage where nothing is hit."""
    return np.einsum("hwk,hwkc->hwc", hits.barycentrics, values[hits.faces])


def lambert(normals: np.ndarray) -> np.ndarray:
    """Soft light from above the camera, on unit world normals [..., 3] -> [...]."""
    return AMBIENT + (1 - AMBIENT) * np.clip(normals @ (SUN / np.linalg.norm(SUN)), 0, 1)


def sample_texture(texture: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    """Bilinear texture look-up; uv (0, 0) is the lower left corner."""
    height, width = texture.shape[:2]
    x = np.clip(uvs[..., 0] * width - 0.5, 0, width - 1.001)
    y = np.clip((1 - uvs[..., 1]) * height - 0.5, 0, height - 1.001)
    x0, y0 = x.astype(int), y.astype(int)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    top = texture[y0, x0] * (1 - fx) + texture[y0, x0 + 1] * fx
    return top * (1 - fy) + (texture[y0 + 1, x0] * (1 - fx) + texture[y0 + 1, x0 + 1] * fx) * fy
