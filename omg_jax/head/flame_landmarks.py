"""Landmarks of a user's FLAME file: points of the 478-point face mesh, from the embeddings that FLAME's site offers.

Three files are looked for beside the model file, by the names they are published under:

- ``mediapipe_landmark_embedding.npz``: 105 points of the face mesh on brows, eyes, nose and lips (``lmk_face_idx``,
  ``lmk_b_coords``, ``landmark_indices``)
- ``landmark_embedding.npy``: a pickled dict with 68 points in iBUG's order (``full_lmk_faces_idx``,
  ``full_lmk_bary_coords``), of which the contour of the face is what the first file lacks
- ``flame_static_embedding.pkl``: iBUG's 51 inner points (``lmk_face_idx``, ``lmk_b_coords``), or 68

Any of them will do; where two place the same point, the first is believed. The irises, which none has, are found on
the eyeballs.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from omg_jax.head.array_pickle import dense, read_array_npy, read_array_pickle
from omg_jax.head.model import JOINT_NAMES

NUM_POINTS = 478
# The points of the face mesh that lie where iBUG's 68 do: contour, brows, nose, eyes, lips.
IBUG_POINTS = (
    *(127, 234, 132, 58, 172, 150, 149, 148, 152, 377, 378, 379, 397, 288, 361, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
)
NUM_CONTOUR = 17
# First point and joint of each iris: its middle, then four points around it.
IRISES = {468: "right_eye", 473: "left_eye"}
# How well a point's place is known (world units; 2, 3, 6 and 1.2 mm): the two meshes' points are not quite the same
# places, and those of the contour slide over the skin as the head turns.
MESH_SIGMA, IBUG_SIGMA, CONTOUR_SIGMA, IRIS_SIGMA = 0.010, 0.015, 0.030, 0.006
CONTOUR_WEIGHT = 0.25


class LandmarkEmbedding(NamedTuple):
    """Places of landmarks on a mesh: which points of the face mesh they are, and as in Head."""

    ids: Int[np.ndarray, "l"]
    faces: Int[np.ndarray, "l"]
    barycentrics: Float[np.ndarray, "l 3"]
    sigmas: Float[np.ndarray, "l"]
    weights: Float[np.ndarray, "l"]


def no_landmarks() -> LandmarkEmbedding:
    """The embedding of a head that cannot be tracked."""
    nothing, ids = np.zeros(0, np.float32), np.zeros(0, np.int32)
    return LandmarkEmbedding(ids, ids, np.zeros((0, 3), np.float32), nothing, nothing)


def read_flame_landmarks(model_path: Path, num_faces: int) -> LandmarkEmbedding:
    """The embedding that lies beside a FLAME file, without irises; none where there is no file of a known name.

    num_faces: of the model. ValueError where a file is damaged, holds anything but arrays, or is of another mesh.
    """
    found = no_landmarks()
    for name, read in READERS.items():
        path = model_path.parent / name
        if path.is_file():
            places = _checked(path, read(path), num_faces)
            new = ~np.isin(places.ids, found.ids)
            found = join(found, LandmarkEmbedding(*(values[new] for values in places)))
    return found


def iris_landmarks(
    template: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    joints: Float[np.ndarray, "5 3"],
    eyeballs: dict[str, Int[np.ndarray, "_"]],
    looks: Float[np.ndarray, "10 3"],
) -> LandmarkEmbedding:
    """The irises' points: where rays from the eyes' joints leave the eyeballs.

    eyeballs: ids of the vertices of each by the joint's name; looks: the rays' directions, of points 468 to 477.
    """
    parts = [no_landmarks()]
    for first, joint in IRISES.items():
        candidates = np.flatnonzero(np.isin(faces, eyeballs[joint]).all(axis=1))
        origin = joints[JOINT_NAMES.index(joint)]
        for look in range(5) if len(candidates) else ():
            face, barycentrics = _leave(template, faces, candidates, origin, looks[first - 468 + look])
            ids = np.array([first + look], np.int32)
            one = LandmarkEmbedding(ids, np.array([face]), barycentrics[None], _fill(1, IRIS_SIGMA), _fill(1, 1.0))
            parts.append(one)
    return join(*parts)


def join(*parts: LandmarkEmbedding) -> LandmarkEmbedding:
    """Embeddings one behind the other."""
    return LandmarkEmbedding(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _leave(template, faces, candidates, origin, direction) -> tuple[int, np.ndarray]:
    """The last of the candidate faces that a ray crosses, and the barycentric coordinates of the crossing.

    Where rounding lets it slip through an edge, the face is the one that it misses by least.
    """
    a, b, c = (template[faces[candidates, corner]].astype(np.float64) for corner in range(3))
    matrix = np.stack([b - a, c - a, np.broadcast_to(-np.asarray(direction, np.float64), a.shape)], axis=-1)
    flat = np.abs(np.linalg.det(matrix)) < 1e-12
    matrix[flat] = np.eye(3)
    u, v, distance = np.linalg.solve(matrix, (origin - a)[..., None])[..., 0].T
    inside = np.where(flat | (distance <= 0), -np.inf, np.minimum(np.minimum(u, v), 1.0 - u - v))
    hits = np.flatnonzero(inside >= 0)
    best = hits[distance[hits].argmax()] if len(hits) else inside.argmax()
    barycentrics = np.clip([1.0 - u[best] - v[best], u[best], v[best]], 0.0, 1.0)
    return int(candidates[best]), (barycentrics / barycentrics.sum()).astype(np.float32)


def _read_mediapipe(path: Path) -> LandmarkEmbedding:
    try:
        with np.load(path, allow_pickle=False) as archive:
            ids, faces, places = (archive[key] for key in ("landmark_indices", "lmk_face_idx", "lmk_b_coords"))
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} is no landmark embedding ({error}); fetch it again from FLAME's site") from error
    return LandmarkEmbedding(ids, faces, places, _fill(len(ids), MESH_SIGMA), _fill(len(ids), 1.0))


def _read_full(path: Path) -> LandmarkEmbedding:
    return _ibug(path, read_array_npy(path), "full_lmk_faces_idx", "full_lmk_bary_coords")


def _read_static(path: Path) -> LandmarkEmbedding:
    return _ibug(path, read_array_pickle(path), "lmk_face_idx", "lmk_b_coords")


def _ibug(path: Path, fields: object, faces_key: str, places_key: str) -> LandmarkEmbedding:
    if not isinstance(fields, dict) or faces_key not in fields or places_key not in fields:
        raise ValueError(f"{path.name} is no landmark embedding: expected a dict with {faces_key} and {places_key}")
    faces, places = np.ravel(dense(fields[faces_key])), dense(fields[places_key])
    # Seventy have the eyes' middles behind the rest, which iris_landmarks finds by itself.
    if len(faces) not in (51, 68, 70) or places.size != 3 * len(faces):
        raise ValueError(f"{path.name}: expected 51 or 68 landmarks of 3 numbers, got {len(faces)} of {places.size}")
    start, count = (NUM_CONTOUR, 51) if len(faces) == 51 else (0, 68)
    contour = np.arange(start, start + count) < NUM_CONTOUR
    return LandmarkEmbedding(
        ids=np.array(IBUG_POINTS[start:]),
        faces=faces[:count],
        barycentrics=places.reshape(-1, 3)[:count],
        sigmas=np.where(contour, CONTOUR_SIGMA, IBUG_SIGMA),
        weights=np.where(contour, CONTOUR_WEIGHT, 1.0),
    )


READERS: dict[str, Callable[[Path], LandmarkEmbedding]] = {
    "mediapipe_landmark_embedding.npz": _read_mediapipe,
    "landmark_embedding.npy": _read_full,
    "flame_static_embedding.pkl": _read_static,
}


def _checked(path: Path, found: LandmarkEmbedding, num_faces: int) -> LandmarkEmbedding:
    """An embedding in its proper types. ValueError where it cannot belong to a mesh of so many faces."""
    ids, faces, places = np.ravel(found.ids), np.ravel(found.faces), np.asarray(found.barycentrics, np.float32)
    sizes_fit = len(ids) == len(faces) and places.shape == (len(ids), 3)
    if not sizes_fit or len(ids) == 0 or not _within(ids, NUM_POINTS) or not _within(faces, num_faces):
        raise ValueError(
            f"{path.name} is no embedding of this model: expected landmarks on its {num_faces} faces, got "
            f"{len(ids)} points, {len(faces)} faces up to {faces.max(initial=0)}; take the file of the model's edition"
        )
    if not np.isfinite(places).all() or np.abs(places.sum(axis=1) - 1.0).max() > 1e-2:
        raise ValueError(f"{path.name}: expected barycentric coordinates, which sum to 1")
    sigmas, weights = (np.asarray(values, np.float32) for values in (found.sigmas, found.weights))
    return LandmarkEmbedding(ids.astype(np.int32), faces.astype(np.int32), places, sigmas, weights)


def _within(values: np.ndarray, count: int) -> bool:
    """Whether values are whole numbers below count, of whatever type they were stored in."""
    return values.dtype.kind in "iuf" and bool(((values >= 0) & (values < count) & (values == np.floor(values))).all())


def _fill(count: int, value: float) -> np.ndarray:
    return np.full(count, value, np.float32)
