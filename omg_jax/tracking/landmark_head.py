"""A head model reduced to its 478 landmarks: all that fitting needs, linear but for the eyes' rotation."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.lax import Precision
from jaxtyping import Array, Float

from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import Head
from omg_jax.head.model import JOINT_NAMES
from omg_jax.tracking.face_mesh import INNER_LIPS, LEFT_EYELIDS, NUM_LANDMARKS, OUTER_LIPS, RIGHT_EYELIDS

# Net noise that remains even for a landmark whose place on the head is known exactly (world units; 1.5 mm).
LANDMARK_NOISE = 0.0075
# A unit that takes back part of what another does: more of it than of the other pushes one lip through the other.
CORRECTS = {"mouthClose": "jawOpen"}
# Triangles on rims are steep and small: their normals say little about what can be seen. These look to the front.
RIMS = (*RIGHT_EYELIDS, *LEFT_EYELIDS, *OUTER_LIPS, *INNER_LIPS)


class LandmarkHead(NamedTuple):
    """Landmarks of a head as functions of its parameters, in world units and head axes.

    The first three are what model.head_vertices computes, at the landmarks l and then at the two eye joints (left,
    right): n = l + 2 rows. eye_weights: how much each landmark turns with each eye. normals: of the neutral surface at
    each landmark. sigmas: expected error of a landmark, its place on the head and the net's noise together. weights: 1,
    or less for landmarks that slide. excess: rows that times the expression must not be positive.
    """

    base: Float[Array, "n 3"]
    shape_basis: Float[Array, "n 3 s"]
    expression_basis: Float[Array, "n 3 e"]
    eye_weights: Float[Array, "l 2"]
    normals: Float[Array, "l 3"]
    sigmas: Float[Array, "l"]
    weights: Float[Array, "l"]
    excess: Float[Array, "k e"]


def check_trackable(head: Head) -> None:
    """ValueError where a head has no embedding of the 478-point face mesh."""
    count = head.model.landmark_faces.shape[0]
    if count != NUM_LANDMARKS:
        raise ValueError(
            f"the head {head.name!r} has {count} landmarks, but tracking needs the face mesh's {NUM_LANDMARKS}; "
            "track with the built-in head (arkit)"
        )


def reduce_to_landmarks(head: Head) -> LandmarkHead:
    """The landmarks of a head. ValueError where it has no embedding of the 478-point face mesh."""
    check_trackable(head)
    model = head.model
    corners = np.asarray(model.faces)[np.asarray(model.landmark_faces)]
    barycentrics = np.asarray(model.landmark_barycentrics, np.float64)
    eyes = [JOINT_NAMES.index("left_eye"), JOINT_NAMES.index("right_eye")]
    regressor = np.asarray(model.joint_regressor, np.float64)[eyes]

    def at_landmarks(values: Array) -> np.ndarray:
        return np.einsum("lk,lk...->l...", barycentrics, np.asarray(values)[corners])

    def at_landmarks_and_eyes(values: Array) -> Array:
        joints = np.tensordot(regressor, np.asarray(values), axes=1)
        return jnp.asarray(np.concatenate([at_landmarks(values), joints]), jnp.float32)

    return LandmarkHead(
        base=at_landmarks_and_eyes(model.template),
        shape_basis=at_landmarks_and_eyes(model.shape_basis),
        expression_basis=at_landmarks_and_eyes(model.expression_basis),
        eye_weights=jnp.asarray(at_landmarks(model.skinning_weights)[:, eyes], jnp.float32),
        normals=jnp.asarray(_normals(np.asarray(model.template), corners), jnp.float32),
        sigmas=jnp.asarray(np.sqrt(LANDMARK_NOISE**2 + head.landmark_sigmas**2), jnp.float32),
        weights=jnp.asarray(head.landmark_weights, jnp.float32),
        excess=jnp.asarray(_excess_rows(head.expression_names)),
    )


def landmark_points(
    head: LandmarkHead,
    shape: Float[Array, "s"],
    expression: Float[Array, "e"],
    gaze: Float[Array, "4"],
) -> Float[Array, "l 3"]:
    """Landmarks in head axes, world units. gaze: as in `gaze_to_eye_pose`."""
    identity = jnp.einsum("ncs,s->nc", head.shape_basis, shape, precision=Precision.HIGHEST)
    moved = jnp.einsum("nce,e->nc", head.expression_basis, expression, precision=Precision.HIGHEST)
    return turn_eyes(head, head.base + identity + moved, gaze)


def turn_eyes(head: LandmarkHead, rows: Float[Array, "n 3"], gaze: Float[Array, "4"]) -> Float[Array, "l 3"]:
    """Landmarks after the eyes have turned, from landmarks and eye joints before. Linear in rows."""
    landmarks, joints = rows[:-2], rows[-2:]
    turns = axis_angle_to_matrix(gaze_to_eye_pose(gaze).reshape(2, 3)) - jnp.eye(3)
    shifts = jnp.einsum("eab,leb->lea", turns, landmarks[:, None] - joints, precision=Precision.HIGHEST)
    return landmarks + jnp.einsum("le,lea->la", head.eye_weights, shifts, precision=Precision.HIGHEST)


def gaze_to_eye_pose(gaze: Float[Array, "*b 4"]) -> Float[Array, "*b 6"]:
    """eye_pose of HeadParams from (down, left) of the left eye, then of the right: radians, "left" is the subject's."""
    nothing = jnp.zeros_like(gaze[..., 0])
    return jnp.stack([gaze[..., 0], gaze[..., 1], nothing, gaze[..., 2], gaze[..., 3], nothing], axis=-1)


def _normals(template: np.ndarray, corners: np.ndarray) -> np.ndarray:
    a, b, c = (template[corners[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    normals[list(RIMS)] = [0.0, 0.0, 1.0]
    return normals


def _excess_rows(names: tuple[str, ...]) -> np.ndarray:
    rows = np.zeros((0, len(names)), np.float32)
    for unit, corrected in CORRECTS.items():
        if unit in names and corrected in names:
            row = np.zeros((1, len(names)), np.float32)
            row[0, names.index(unit)], row[0, names.index(corrected)] = 1.0, -1.0
            rows = np.concatenate([rows, row])
    return rows
