"""A small textured renderer for looking at the head and for showing it to the landmark net: numpy, no gradients."""

from typing import NamedTuple

import numpy as np

FOCAL_NDC = 12.0
SUN = np.array([0.25, 0.45, 0.86])
AMBIENT = 0.55


class View(NamedTuple):
    """The paper's camera at a distance, turned about the head: x_camera = rotation @ x + (0, 0, distance)."""

    rotation: np.ndarray
    distance: float
    size: int

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        return points @ self.rotation.T + [0.0, 0.0, self.distance]

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Pixels, where the centre of the first pixel is (0.5, 0.5)."""
        camera = self.to_camera(points)
        return camera[..., :2] / camera[..., 2:] * (FOCAL_NDC * self.size / 2) + self.size / 2


def view(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, distance: float = 9.2, size: int = 512) -> View:
    """Degrees. Positive yaw: nose to the image's left; positive pitch: down; positive roll: clockwise."""
    y, p, r = np.deg2rad([yaw, pitch, roll])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rx = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    rz = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return View(rz @ rx @ ry @ np.diag([1.0, -1.0, -1.0]), distance, size)


class Hits(NamedTuple):
    """What each pixel sees: face id (-1 for none), perspective-correct barycentrics, camera z (inf for none)."""

    faces: np.ndarray
    barycentrics: np.ndarray
    depth: np.ndarray


def trace(vertices: np.ndarray, faces: np.ndarray, camera: View) -> Hits:
    """Z-buffer of a mesh."""
    size = camera.size
    depth_of = camera.to_camera(vertices)[:, 2]
    corners, z = camera.to_pixels(vertices)[faces], depth_of[faces]
    pixels, owners = _candidate_pixels(corners, size)
    weights = _screen_barycentrics(corners[owners], pixels)
    inside = (weights >= 0).all(axis=1)
    pixels, owners, weights = pixels[inside], owners[inside], weights[inside]
    weights = weights / z[owners]
    pixel_depth = 1 / weights.sum(axis=1)
    weights = weights * pixel_depth[:, None]
    flat = pixels[:, 1] * size + pixels[:, 0]
    order = np.argsort(-pixel_depth, kind="stable")
    hit_faces, bary = np.full(size * size, -1), np.zeros((size * size, 3))
    depth = np.full(size * size, np.inf)
    # The nearest is written last.
    hit_faces[flat[order]], bary[flat[order]], depth[flat[order]] = owners[order], weights[order], pixel_depth[order]
    return Hits(hit_faces.reshape(size, size), bary.reshape(size, size, 3), depth.reshape(size, size))


def _candidate_pixels(corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every (x, y) pixel in the bounding box of every triangle, with the triangle's id."""
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, size).astype(int)
    high = np.clip(np.floor(corners.max(axis=1) - 0.5) + 1, 0, size).astype(int)
    extent = np.maximum(high - low, 0)
    counts = extent[:, 0] * extent[:, 1]
    owners = np.repeat(np.arange(len(corners)), counts)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = extent[owners, 0]
    return np.stack([low[owners, 0] + within % width, low[owners, 1] + within // width], axis=1), owners


def _screen_barycentrics(corners: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(corners - (pixels + 0.5)[:, None], 1, 0)

    def cross(u, v):
        return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]

    weights = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=1)
    area = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, area, out=np.full_like(weights, -1), where=np.abs(area) > 1e-12)


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
