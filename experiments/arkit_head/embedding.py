"""Where on the head each of the 478 landmarks lies: the surface point that agrees with the landmark net in all views.

Back-projecting a landmark through the z-buffer fails beside silhouettes, where a pixel's error lands on the cheek or
the neck behind. So every landmark chooses among points of the whole front surface the one with the least robust
reprojection error over all views.
"""

from typing import NamedTuple

import numpy as np
import trimesh
from arkit_head.draw import View, trace, vertex_normals
from scipy.optimize import linear_sum_assignment

from omg_jax.tracking.face_mesh import LEFT_IRIS, RIGHT_IRIS, SLIDING_OVAL

MILLIMETRES_PER_UNIT = 200.0
IRISES = (*RIGHT_IRIS, *LEFT_IRIS)
SLIDING_WEIGHT = 0.25
# Error (mm) from which the robust cost grows linearly.
ROBUST_SCALE = 2.0
# A point must face the camera in views of at least this much summed cosine.
LEAST_FACING = 4.0
# Triangles whose samples are searched after the coarse search over centroids.
NUM_REFINED = 60


class Observations(NamedTuple):
    """Landmarks seen in n views: pixels [n, 478, 2], the cameras, and the head's vertices in each view [n, V, 3]."""

    pixels: np.ndarray
    cameras: list[View]
    vertices: np.ndarray


class Embedding(NamedTuple):
    """Per landmark: triangle, barycentrics, and root mean square reprojection error (mm) over the views it faces."""

    faces: np.ndarray
    barycentrics: np.ndarray
    rms: np.ndarray


def embed(seen: Observations, template: np.ndarray, faces: np.ndarray, skin: np.ndarray, eyeballs: np.ndarray):
    """Searches skin triangles for the skin's landmarks, eyeball triangles for the irises', then makes them symmetric.

    skin and eyeballs are ids of the triangles that may be chosen.
    """
    normals = np.stack([vertex_normals(vertices, faces) for vertices in seen.vertices])
    samples, centroid = _triangle_samples(), np.full((1, 3), 1 / 3)
    num_landmarks = seen.pixels.shape[1]
    chosen, weights = np.zeros(num_landmarks, int), np.zeros((num_landmarks, 3))
    for pool, landmarks in ((eyeballs, IRISES), (skin, np.setdiff1d(np.arange(num_landmarks), IRISES))):
        centroids = _project(seen, normals, faces, pool, centroid)
        for landmark in landmarks:
            near = pool[np.argsort(_costs(centroids, seen.pixels[:, landmark]))[:NUM_REFINED]]
            points = _project(seen, normals, faces, near, samples)
            best = int(np.argmin(_costs(points, seen.pixels[:, landmark])))
            chosen[landmark], weights[landmark] = near[best // len(samples)], samples[best % len(samples)]
    chosen, weights = _symmetric(template, faces, chosen, weights, skin, eyeballs)
    return _measured(seen, normals, faces, chosen, weights)


def front_triangles(vertices: np.ndarray, faces: np.ndarray, cameras: list[View]) -> np.ndarray:
    """Whether each triangle is seen by any of the cameras: the outer surface of the face."""
    seen = np.zeros(len(faces), bool)
    for camera in cameras:
        hits = trace(vertices, faces, camera).faces
        seen[np.unique(hits[hits >= 0])] = True
    return seen


def landmark_weights(count: int) -> np.ndarray:
    """1, or less for landmarks that slide."""
    weights = np.ones(count, np.float32)
    weights[list(SLIDING_OVAL)] = SLIDING_WEIGHT
    return weights


def mirror_map(points: np.ndarray) -> np.ndarray:
    """For each landmark its mirror image at x = 0: the assignment of least distance, made its own inverse."""
    distance = np.linalg.norm(points[:, None] * [-1, 1, 1] - points[None], axis=2) ** 2
    _, partner = linear_sum_assignment(distance + distance.T)
    return partner if (partner[partner] == np.arange(len(points))).all() else _nearest_involution(distance)


def _nearest_involution(distance: np.ndarray) -> np.ndarray:
    """Pairs landmarks greedily, nearest mirror images first; one paired with itself lies in the middle."""
    count = len(distance)
    partner = np.full(count, -1)
    rows, columns = np.triu_indices(count)
    for flat in np.argsort((distance + distance.T)[rows, columns]):
        i, j = rows[flat], columns[flat]
        if partner[i] < 0 and partner[j] < 0:
            partner[i], partner[j] = j, i
    return partner


def _triangle_samples(steps: int = 6) -> np.ndarray:
    """Barycentrics of an even grid over a triangle, corners included: 28 for 6 steps."""
    grid = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.array(grid) / steps


class _Projected(NamedTuple):
    """Points in n views: pixels [n, p, 2], millimetres per pixel [n, p], cosine towards the camera or 0 [n, p]."""

    pixels: np.ndarray
    scale: np.ndarray
    facing: np.ndarray

    def errors(self, landmark: np.ndarray) -> np.ndarray:
        """Distance (mm) to where a landmark is seen, pixels [n, 2]."""
        return np.linalg.norm(self.pixels - landmark[:, None], axis=2) * self.scale


def _project(seen: Observations, normals, faces, triangles, barycentrics) -> _Projected:
    """Every point given by one of the triangles and one of the barycentrics."""
    pixels, scale, facing = [], [], []
    for camera, vertices, normal in zip(seen.cameras, seen.vertices, normals, strict=True):
        points = np.einsum("tkc,sk->tsc", vertices[faces[triangles]], barycentrics).reshape(-1, 3)
        directions = np.einsum("tkc,sk->tsc", normal[faces[triangles]], barycentrics).reshape(-1, 3)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        in_camera = camera.to_camera(points)
        to_eye = -in_camera / np.linalg.norm(in_camera, axis=1, keepdims=True)
        pixels.append(camera.to_pixels(points))
        scale.append(in_camera[:, 2] / camera.focal * MILLIMETRES_PER_UNIT)
        facing.append(np.clip(np.sum(directions @ camera.rotation.T * to_eye, axis=1), 0, None))
    return _Projected(np.stack(pixels), np.stack(scale), np.stack(facing))


def _costs(points: _Projected, landmark: np.ndarray) -> np.ndarray:
    """Mean robust error over the views that a point faces; infinite where it faces too few."""
    robust = np.sqrt(points.errors(landmark) ** 2 + ROBUST_SCALE**2) - ROBUST_SCALE
    total = points.facing.sum(axis=0)
    mean = np.sum(points.facing * robust, axis=0) / np.maximum(total, LEAST_FACING)
    return np.where(total < LEAST_FACING, np.inf, mean)


def _symmetric(template, faces, chosen, weights, skin, eyeballs) -> tuple[np.ndarray, np.ndarray]:
    """Averages each landmark with the mirror image of its partner and snaps the mean to the surface."""
    points = np.einsum("lk,lkc->lc", weights, template[faces[chosen]])
    even = (points + points[mirror_map(points)] * [-1, 1, 1]) / 2
    for landmark, point in enumerate(even):
        pool = eyeballs if landmark in IRISES else skin
        triangles = template[faces[pool]]
        closest = trimesh.triangles.closest_point(triangles, np.broadcast_to(point, (len(pool), 3)))
        best = np.linalg.norm(closest - point, axis=1).argmin()
        chosen[landmark] = pool[best]
        weights[landmark] = trimesh.triangles.points_to_barycentric(triangles[[best]], closest[[best]])[0]
    return chosen, weights


def _measured(seen, normals, faces, chosen, weights) -> Embedding:
    rms = np.zeros(len(chosen))
    for landmark, (triangle, barycentric) in enumerate(zip(chosen, weights, strict=True)):
        point = _project(seen, normals, faces, np.array([triangle]), barycentric[None])
        squared = point.errors(seen.pixels[:, landmark]) ** 2
        rms[landmark] = np.sqrt(np.sum(point.facing * squared) / np.sum(point.facing))
    return Embedding(chosen, weights, rms)
