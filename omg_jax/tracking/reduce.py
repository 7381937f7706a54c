"""From a head model to what the fit needs of it: its landmarks, and what expression scores mean to it."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from omg_jax.head.load import Head, load_head
from omg_jax.head.model import JOINT_NAMES
from omg_jax.tracking.face_mesh import EXPRESSION_SCORES, INNER_LIPS, LEFT_EYELIDS, OUTER_LIPS, RIGHT_EYELIDS
from omg_jax.tracking.landmark_head import LandmarkHead
from omg_jax.tracking.transfer import transfer_units

FEWEST_LANDMARKS = 40  # with fewer, pose, shape and expression cannot be told apart
# Net noise that remains even for a landmark whose place on the head is known exactly (world units; 1.5 mm).
LANDMARK_NOISE = 0.0075
# Errors of neighbouring landmarks are correlated: however many there are, they weigh as this many independent ones.
INDEPENDENT_LANDMARKS = 143.4
# A unit that takes back part of what another does: more of it than of the other pushes one lip through the other.
CORRECTS = {"mouthClose": "jawOpen"}
# The built-in head's lids meet at about 0.7 of its blink units; the net says 1 for closed.
SCORE_GAINS = {"eyeBlinkLeft": 0.7, "eyeBlinkRight": 0.7}
UNIT_PRIOR, BELOW_ZERO, ABOVE_ONE = 10.0, 400.0, 100.0
COEFFICIENT_PRIOR = 1.0  # FLAME's coefficients count in standard deviations
# Triangles on rims are steep and small: their normals say little about what can be seen. These look to the front.
RIMS = (*RIGHT_EYELIDS, *LEFT_EYELIDS, *OUTER_LIPS, *INNER_LIPS)


def check_trackable(head: Head) -> None:
    """ValueError where a head has too few landmarks."""
    count = len(head.landmark_ids)
    if count < FEWEST_LANDMARKS:
        raise ValueError(
            f"the head {head.name!r} has {count} landmarks, but tracking needs at least {FEWEST_LANDMARKS}: put "
            "mediapipe_landmark_embedding.npz and landmark_embedding.npy, which FLAME's site offers, beside the FLAME "
            "file, or track with the built-in head (arkit)"
        )


def has_turning_jaw(head: Head) -> bool:
    """Whether a head's jaw turns, instead of being moved by an expression."""
    return "jawOpen" not in head.expression_names


def reduce_to_landmarks(head: Head) -> LandmarkHead:
    """The landmarks of a head. ValueError where it has too few."""
    check_trackable(head)
    if not has_turning_jaw(head):
        return _with_units(_landmarks_alone(head, ("left_eye", "right_eye")), head.expression_names)
    reduced, units = _landmarks_alone(head, ("left_eye", "right_eye", "jaw")), load_head("arkit")
    by_unit = transfer_units(reduced, _landmarks_alone(units, ("left_eye", "right_eye")))
    gains = units_by_score(units.expression_names)
    return reduced._replace(expression_by_score=gains @ by_unit[:, :-3], jaw_by_score=gains @ by_unit[:, -3:])


def units_by_score(names: tuple[str, ...]) -> Float[np.ndarray, "52 u"]:
    """Units of the built-in head at a score of 1; those without a score stay 0."""
    gains = np.zeros((len(EXPRESSION_SCORES), len(names)), np.float32)
    for row, score in enumerate(EXPRESSION_SCORES):
        if score in names:
            gains[row, names.index(score)] = SCORE_GAINS.get(score, 1.0)
    return gains


def _with_units(reduced: LandmarkHead, names: tuple[str, ...]) -> LandmarkHead:
    """A head whose expressions are units in [0, 1] with the names of scores."""
    ones = jnp.ones(len(names))
    return reduced._replace(
        expression_prior=UNIT_PRIOR * ones,
        below=BELOW_ZERO * ones,
        above=ABOVE_ONE * ones,
        excess=jnp.asarray(_excess_rows(names)),
        expression_by_score=jnp.asarray(units_by_score(names)),
    )


def _landmarks_alone(head: Head, turning: tuple[str, ...]) -> LandmarkHead:
    """The landmarks of a head of free coefficients, for which scores mean nothing."""
    model, count = head.model, len(head.expression_names)
    corners = np.asarray(model.faces)[np.asarray(model.landmark_faces)]
    barycentrics = np.asarray(model.landmark_barycentrics, np.float64)
    joints = [JOINT_NAMES.index(name) for name in turning]
    regressor = np.asarray(model.joint_regressor, np.float64)[joints]

    def at_landmarks(values: ArrayLike) -> np.ndarray:
        return np.einsum("lk,lk...->l...", barycentrics, np.asarray(values)[corners])

    def at_landmarks_and_joints(values: ArrayLike) -> Array:
        turned = np.tensordot(regressor, np.asarray(values), axes=1)
        return jnp.asarray(np.concatenate([at_landmarks(values), turned]), jnp.float32)

    # Nine correctives for each joint but the root.
    entries = np.concatenate([np.arange(9 * (joint - 1), 9 * joint) for joint in joints])
    correctives = at_landmarks(np.moveaxis(np.asarray(model.pose_correctives)[entries], 0, -1))
    share = min(1.0, INDEPENDENT_LANDMARKS / len(head.landmark_ids))
    return LandmarkHead(
        base=at_landmarks_and_joints(model.template),
        shape_basis=at_landmarks_and_joints(model.shape_basis),
        expression_basis=at_landmarks_and_joints(model.expression_basis),
        joint_weights=jnp.asarray(at_landmarks(model.skinning_weights)[:, joints], jnp.float32),
        correctives=jnp.asarray(np.moveaxis(correctives, -1, 0), jnp.float32),
        ids=jnp.asarray(head.landmark_ids, jnp.int32),
        normals=jnp.asarray(_normals(np.asarray(model.template), corners, head.landmark_ids), jnp.float32),
        sigmas=jnp.asarray(np.sqrt(LANDMARK_NOISE**2 + head.landmark_sigmas**2), jnp.float32),
        weights=jnp.asarray(share * head.landmark_weights, jnp.float32),
        expression_prior=jnp.full(count, COEFFICIENT_PRIOR),
        below=jnp.zeros(count),
        above=jnp.zeros(count),
        excess=jnp.zeros((0, count)),
        expression_by_score=jnp.zeros((len(EXPRESSION_SCORES), count)),
        jaw_by_score=jnp.zeros((len(EXPRESSION_SCORES), 3 * ("jaw" in turning))),
    )


def _normals(template: np.ndarray, corners: np.ndarray, ids: np.ndarray) -> np.ndarray:
    a, b, c = (template[corners[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    normals[np.isin(ids, RIMS)] = [0.0, 0.0, 1.0]
    return normals


def _excess_rows(names: tuple[str, ...]) -> np.ndarray:
    rows = np.zeros((0, len(names)), np.float32)
    for unit, corrected in CORRECTS.items():
        if unit in names and corrected in names:
            row = np.zeros((1, len(names)), np.float32)
            row[0, names.index(unit)], row[0, names.index(corrected)] = 1.0, -1.0
            rows = np.concatenate([rows, row])
    return rows
