"""Neutral head, expression units and identity sliders, as offsets of all rows of the MakeHuman base mesh."""

import re

import numpy as np
from arkit_head.parts import HELPER_EYES
from scipy.linalg import qr
from scipy.spatial import cKDTree

from omg_jax.data.makehuman import Makehuman

RACES, SEXES = ("african", "asian", "caucasian"), ("female", "male")
BODY = "averagemuscle-averageweight"
NUM_DETAIL_SLIDERS = 61
SLIDER_FOLDERS = ("head", "forehead", "nose", "mouth", "chin", "eyes", "eyebrows", "cheek")
# The two ends of a slider, in the order (plus, minus).
ENDS = (
    ("incr", "decr"),
    ("up", "down"),
    ("out", "in"),
    ("forward", "backward"),
    ("convex", "concave"),
    ("uncompress", "compress"),
)
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
    return makehuman.base.vertices + makehuman.offsets(_macro())


def expression_offsets(makehuman: Makehuman) -> np.ndarray:
    """Offsets of the 52 ARKit face units at weight 1, [52, rows, 3], in the order of EXPRESSION_NAMES."""
    return np.stack([makehuman.offsets({f"faceunits/{name}": 1.0}) for name in EXPRESSION_NAMES])


def identity_offsets(makehuman: Makehuman, rows: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and offsets [65, rows, 3] of the identity sliders, each at weight 1, centred on the eyes.

    Four macro directions (sex, age, two of race), and of MakeHuman's symmetric pairs the NUM_DETAIL_SLIDERS that move
    the given rows of the base mesh most independently (QR with pivoting). A slider is half the difference of its ends.
    """
    macros, details = _macro_directions(makehuman), _detail_pairs(makehuman)
    offsets = {name: _centre_on_eyes(values) for name, values in (macros | details).items()}
    names = np.array(sorted(details))
    matrix = np.stack([offsets[name][rows].ravel() for name in names], axis=1)
    # The square root lets a lip's small slider stand against one that moves the whole skull.
    matrix /= np.sqrt(np.linalg.norm(matrix, axis=0))
    _, _, order = qr(matrix, mode="economic", pivoting=True)
    chosen = (*macros, *sorted(names[order[:NUM_DETAIL_SLIDERS]]))
    return chosen, np.stack([offsets[name] for name in chosen])


def _macro(races=RACES, sexes=SEXES, age="young") -> dict[str, float]:
    """Target weights of an even mix of races and sexes."""
    share = 1 / (len(races) * len(sexes))
    weights = {f"macrodetails/{race}-{sex}-{age}": share for race in races for sex in sexes}
    return weights | {f"macrodetails/universal-{sex}-{age}-{BODY}": 1 / len(sexes) for sex in sexes}


def _macro_directions(makehuman: Makehuman) -> dict[str, np.ndarray]:
    def half_difference(plus: dict, minus: dict) -> np.ndarray:
        return (makehuman.offsets(_macro(**plus)) - makehuman.offsets(_macro(**minus))) / 2

    return {
        "macro-male-female": half_difference({"sexes": ("male",)}, {"sexes": ("female",)}),
        "macro-old-young": half_difference({"age": "old"}, {"age": "young"}),
        "macro-african-caucasian": half_difference({"races": ("african",)}, {"races": ("caucasian",)}),
        "macro-asian-caucasian": half_difference({"races": ("asian",)}, {"races": ("caucasian",)}),
    }


def _detail_pairs(makehuman: Makehuman) -> dict[str, np.ndarray]:
    """Every pair of opposite targets, left and right tied, that leaves a symmetric head symmetric."""
    mirror = _mirror_map(makehuman.base.vertices)
    sliders = {}
    for folder in SLIDER_FOLDERS:
        names = {name.removeprefix(f"{folder}/"): name for name in makehuman.target_names(folder)}
        for name in names:
            stem, _, end = name.rpartition("-")
            minus = next((m for p, m in ENDS if p == end), None)
            if minus is None or f"{stem}-{minus}" not in names or stem.startswith("r-"):
                continue
            sides = (stem, re.sub("^l-", "r-", stem)) if stem.startswith("l-") else (stem,)
            plus_targets = {f"{folder}/{side}-{end}": 0.5 for side in sides}
            minus_targets = {f"{folder}/{side}-{minus}": -0.5 for side in sides}
            offsets = makehuman.offsets(plus_targets | minus_targets)
            reflected = offsets[mirror] * [-1, 1, 1]
            if np.abs(offsets - reflected).max() < 0.1 * np.abs(offsets).max():
                key = f"{stem.removeprefix('l-')}-{end}"
                sliders[key if key.startswith(folder.rstrip("s")) else f"{folder}-{key}"] = offsets
    return sliders


def _mirror_map(vertices: np.ndarray) -> np.ndarray:
    """For each vertex of the symmetric base mesh, the one mirrored at x = 0."""
    return cKDTree(vertices).query(vertices * [-1, 1, 1])[1]


def _centre_on_eyes(offsets: np.ndarray) -> np.ndarray:
    """Removes the movement of the point between the eyes: a person's size does not move the head."""
    return offsets - np.mean([offsets[rows].mean(axis=0) for rows in HELPER_EYES.values()], axis=0)
