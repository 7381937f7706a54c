"""Neutral head, expression units and identity sliders, as offsets of all rows of the MakeHuman base mesh."""

import numpy as np
from arkit_head.parts import HELPER_EYES
from scipy.linalg import qr
from scipy.spatial import cKDTree

from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.basis import macro_targets, slider_targets

NUM_DETAIL_SLIDERS = 61
# The order of the face landmarker's blendshape scores, without its "_neutral"; tongueOut has no score.
EXPRESSION_NAMES = tuple(
    """browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
    cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
    eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight
    jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight
    mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
    mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight tongueOut""".split()
)


def neutral_base(makehuman: Makehuman) -> np.ndarray:
    """The mean young adult: equal parts of three races and two sexes, average build."""
    return makehuman.base.vertices + makehuman.offsets(macro_targets())


def expression_offsets(makehuman: Makehuman) -> np.ndarray:
    """Offsets of the 52 ARKit face units at weight 1, [52, rows, 3], in the order of EXPRESSION_NAMES."""
    return np.stack([makehuman.offsets({f"faceunits/{name}": 1.0}) for name in EXPRESSION_NAMES])


def identity_offsets(makehuman: Makehuman, rows: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and offsets [65, rows, 3] of the identity sliders, each at weight 1, centred on the eyes.

    Four macro directions (sex, age, two of race), and of MakeHuman's symmetric pairs the NUM_DETAIL_SLIDERS that move
    the given rows of the base mesh most independently (QR with pivoting).
    """
    sliders = {name: makehuman.offsets(targets) for name, targets in slider_targets(makehuman).items()}
    offsets = {name: _centre_on_eyes(values) for name, values in sliders.items()}
    macros = [name for name in sliders if name.startswith("macro-")]
    mirror = _mirror_map(makehuman.base.vertices)
    names = np.array(sorted(name for name in sliders if name not in macros and _is_symmetric(sliders[name], mirror)))
    matrix = np.stack([offsets[name][rows].ravel() for name in names], axis=1)
    # The square root lets a lip's small slider stand against one that moves the whole skull.
    matrix /= np.sqrt(np.linalg.norm(matrix, axis=0))
    _, _, order = qr(matrix, mode="economic", pivoting=True)
    chosen = (*macros, *sorted(names[order[:NUM_DETAIL_SLIDERS]]))
    return chosen, np.stack([offsets[name] for name in chosen])


def _is_symmetric(offsets: np.ndarray, mirror: np.ndarray) -> bool:
    """Whether a slider leaves a symmetric head symmetric."""
    reflected = offsets[mirror] * [-1, 1, 1]
    return bool(np.abs(offsets - reflected).max() < 0.1 * np.abs(offsets).max())


def _mirror_map(vertices: np.ndarray) -> np.ndarray:
    """For each vertex of the symmetric base mesh, the one mirrored at x = 0."""
    return cKDTree(vertices).query(vertices * [-1, 1, 1])[1]


def _centre_on_eyes(offsets: np.ndarray) -> np.ndarray:
    """Removes the movement of the point between the eyes: a person's size does not move the head."""
    return offsets - np.mean([offsets[rows].mean(axis=0) for rows in HELPER_EYES.values()], axis=0)
