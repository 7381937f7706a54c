"""Expressions, gaze and head poses of synthetic frames, drawn at random.

A mouth says something, smiles or poses; brows and cheeks go with it as they do in faces. What cannot be done together
is not drawn together: opposed units are cleared and the sum of all is bounded.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# At this much blink the lids have met; beyond it the upper lid would pass the lower one.
CLOSED_BLINK = 0.70
# Largest gaze that the eyeLook units follow, radians (about the eye's own range in conversation).
FULL_GAZE = np.deg2rad(30.0)
UNIT_LIMIT = {"jawOpen": 0.7, "mouthFunnel": 0.7, "mouthPucker": 0.75, "cheekPuff": 0.6, "tongueOut": 0.5,
              "mouthFrownLeft": 0.6, "mouthFrownRight": 0.6, "noseSneerLeft": 0.7, "noseSneerRight": 0.7,
              "mouthRollUpper": 0.6, "mouthRollLower": 0.7, "mouthShrugUpper": 0.6, "mouthShrugLower": 0.7}  # fmt: skip
# Of two units that pull against each other the stronger keeps what it has over the weaker.
OPPOSED = (
    ("mouthSmile", "mouthFrown"), ("mouthSmile", "mouthPucker"), ("mouthStretch", "mouthPucker"),
    ("mouthStretch", "mouthFunnel"), ("browDown", "browOuterUp"), ("eyeSquint", "eyeWide"),
    ("mouthPress", "mouthFunnel"), ("mouthSmile", "mouthFunnel"),
)  # fmt: skip
# The mouth's units together, beyond which they are scaled down.
MOST_OF_A_MOUTH = 2.6
PAIRED = ("Left", "Right")
# Speech: mean weights of mouth shapes; sided units for both sides. A moment of speech lies between two of them.
VISEMES = (
    {},
    {"jawOpen": 0.42, "mouthLowerDown": 0.30, "mouthUpperUp": 0.18},
    {"jawOpen": 0.22, "mouthStretch": 0.28, "mouthLowerDown": 0.25, "mouthUpperUp": 0.12, "mouthSmile": 0.12},
    {"jawOpen": 0.12, "mouthStretch": 0.35, "mouthSmile": 0.22, "mouthLowerDown": 0.25},
    {"jawOpen": 0.28, "mouthFunnel": 0.45, "mouthPucker": 0.15},
    {"jawOpen": 0.12, "mouthPucker": 0.55, "mouthFunnel": 0.20},
    {"jawOpen": 0.10, "mouthClose": 0.10, "mouthPress": 0.35, "mouthRollLower": 0.20, "mouthRollUpper": 0.15},
    {"jawOpen": 0.12, "mouthRollLower": 0.45, "mouthUpperUp": 0.22, "mouthShrugUpper": 0.1},
    {"jawOpen": 0.16, "mouthLowerDown": 0.22, "mouthUpperUp": 0.12, "tongueOut": 0.05},
)
POSES = (
    {"mouthFrown": 0.45, "mouthShrugLower": 0.30, "browDown": 0.3},
    {"mouthPress": 0.5, "mouthDimple": 0.35, "mouthSmile": 0.15},
    {"browInnerUp": 0.6, "mouthFrown": 0.3, "mouthStretch": 0.15},
    {"browDown": 0.65, "noseSneer": 0.35, "mouthPress": 0.3, "eyeSquint": 0.3},
    {"browInnerUp": 0.6, "browOuterUp": 0.6, "eyeWide": 0.5, "jawOpen": 0.4},
    {"noseSneer": 0.55, "mouthUpperUp": 0.35, "browDown": 0.35, "cheekSquint": 0.3},
    {"mouthPucker": 0.6}, {"cheekPuff": 0.5, "mouthPress": 0.2}, {"mouthShrugLower": 0.5, "mouthShrugUpper": 0.3},
    {"mouthLeft": 0.5, "mouthDimpleLeft": 0.3}, {"mouthRight": 0.5, "mouthDimpleRight": 0.3}, {"jawForward": 0.5},
    {"jawLeft": 0.4}, {"jawRight": 0.4}, {"mouthRollLower": 0.45, "mouthRollUpper": 0.35}, {"jawOpen": 0.7},
    {"mouthSmileLeft": 0.6, "cheekSquintLeft": 0.4}, {"mouthSmileRight": 0.6, "cheekSquintRight": 0.4},
    {"jawOpen": 0.4, "tongueOut": 0.45},
)  # fmt: skip


class Motion(NamedTuple):
    """A frame's motion: unit weights by name, eye_pose (left, then right: axis-angle) and head angles (radians)."""

    units: dict[str, float]
    eye_pose: Float[np.ndarray, "6"]
    yaw_pitch_roll: Float[np.ndarray, "3"]


def sample_motion(rng: np.random.Generator, unit_names: tuple[str, ...]) -> Motion:
    """One frame: neutral, speech, smile, a posed expression, or a sparse mix of units; then blink, gaze, head pose."""
    kind = rng.choice(["neutral", "speech", "smile", "posed", "mixed"], p=[0.17, 0.34, 0.25, 0.14, 0.10])
    units: dict[str, float] = {}
    if kind == "speech" or (kind == "smile" and rng.random() < 0.25):
        _speak(rng, units, unit_names)
    if kind == "smile":
        _smile(rng, units)
    elif kind == "posed":
        _blend(rng, units, POSES[rng.integers(len(POSES))], rng.uniform(0.4, 1.25), unit_names)
    elif kind == "mixed":
        _mix(rng, units, unit_names, rng.choice([0.4, 0.7]))
    _brows(rng, units)
    gaze = _gaze(rng)
    _lids(rng, units, gaze)
    units = _possible({name: value for name, value in units.items() if name in unit_names and value > 0.0})
    return Motion(units, _eye_pose(rng, gaze), _pose(rng))


def _possible(units: dict[str, float]) -> dict[str, float]:
    """Weights that a face can have at once."""
    for first, second in OPPOSED:
        for side in ("", *PAIRED):
            a, b = (next((n for n in (stem + side, stem) if n in units), None) for stem in (first, second))
            if a and b:
                shared = min(units[a], units[b])
                units[a], units[b] = max(units[a] - shared, 0.0), max(units[b] - shared, 0.0)
    mouth = [name for name in units if name.startswith(("mouth", "jaw", "cheekPuff"))]
    scale = min(1.0, MOST_OF_A_MOUTH / max(sum(units[name] for name in mouth), 1e-6))
    for name in mouth:
        units[name] *= scale
    units = {name: float(np.clip(value, 0.0, UNIT_LIMIT.get(name, 1.0))) for name, value in units.items()}
    # The unit closes an open jaw; without one it folds the lips over the nose. The tongue needs an open mouth.
    jaw = units.get("jawOpen", 0.0)
    units["mouthClose"] = min(units.get("mouthClose", 0.0), jaw)
    units["tongueOut"] = min(units.get("tongueOut", 0.0), 1.2 * max(jaw - 0.1, 0.0))
    return {name: value for name, value in units.items() if value > 0.0}


def _add(units: dict[str, float], name: str, value: float) -> None:
    units[name] = units.get(name, 0.0) + value


def _both(rng: np.random.Generator, units: dict[str, float], stem: str, value: float, unevenness: float = 0.12) -> None:
    """The left and the right unit, nearly alike."""
    for side in PAIRED:
        _add(units, stem + side, value * float(np.exp(rng.normal(0.0, unevenness))))


def _blend(
    rng: np.random.Generator, units: dict[str, float], shape: dict[str, float], share: float, names: tuple[str, ...]
) -> None:
    """Adds a share of a mouth or face shape; a stem that is no unit by itself stands for both sides."""
    for stem, value in shape.items():
        if stem in names:
            _add(units, stem, share * value)
        else:
            _both(rng, units, stem, share * value)


def _speak(rng: np.random.Generator, units: dict[str, float], names: tuple[str, ...]) -> None:
    """The mouth in mid-speech: between two visemes, more or less articulated, sides a little uneven."""
    first, second = rng.choice(len(VISEMES), 2, replace=False)
    share, strength = rng.beta(0.7, 0.7), rng.uniform(0.55, 1.3)
    _blend(rng, units, VISEMES[first], strength * (1.0 - share), names)
    _blend(rng, units, VISEMES[second], strength * share, names)


def _smile(rng: np.random.Generator, units: dict[str, float]) -> None:
    """From a hint to a laugh; cheeks and lower lids rise with it."""
    strength = rng.uniform(0.15, 0.95)
    _both(rng, units, "mouthSmile", strength)
    _both(rng, units, "cheekSquint", strength * rng.uniform(0.2, 0.8))
    _both(rng, units, "eyeSquint", strength * rng.uniform(0.0, 0.5))
    if rng.random() < 0.6:
        _both(rng, units, "mouthUpperUp", strength * rng.uniform(0.1, 0.5))
        _both(rng, units, "mouthLowerDown", strength * rng.uniform(0.0, 0.4))
        _add(units, "jawOpen", strength * rng.uniform(0.0, 0.3))
    if rng.random() < 0.3:
        _both(rng, units, "mouthDimple", rng.uniform(0.1, 0.4))


def _mix(rng: np.random.Generator, units: dict[str, float], names: tuple[str, ...], strength: float) -> None:
    """A few units of any kind; half of the sided ones come with their other side."""
    free = [n for n in names if not n.startswith(("eye", "mouthClose")) and (n != "tongueOut" or rng.random() < 0.2)]
    for name in rng.choice(free, size=rng.integers(2, 5), replace=False):
        value = strength * rng.beta(1.2, 1.2)
        _add(units, str(name), value)
        stem, side = _split_side(str(name))
        if side and rng.random() < 0.7:
            _add(units, stem + PAIRED[1 - PAIRED.index(side)], value * float(np.exp(rng.normal(0.0, 0.2))))


def _split_side(name: str) -> tuple[str, str]:
    """("mouthSmile", "Left") of mouthSmileLeft; mouthLeft and jawLeft move the whole mouth and have no other side."""
    for side in PAIRED:
        if name.endswith(side) and name not in ("mouthLeft", "mouthRight", "jawLeft", "jawRight"):
            return name[: -len(side)], side
    return name, ""


def _brows(rng: np.random.Generator, units: dict[str, float]) -> None:
    """Brows that underline, in two of five frames."""
    draw = rng.random()
    if draw < 0.28:
        strength = rng.uniform(0.1, 0.7)
        _add(units, "browInnerUp", strength)
        _both(rng, units, "browOuterUp", strength * rng.uniform(0.3, 1.0), 0.3)
    elif draw < 0.40:
        _both(rng, units, "browDown", rng.uniform(0.05, 0.55))


def _gaze(rng: np.random.Generator) -> Float[np.ndarray, "2"]:
    """(to the subject's left, up) in radians; often at the camera's side of straight ahead, sometimes far off."""
    spread = np.deg2rad([5.0, 3.0]) if rng.random() < 0.65 else np.deg2rad([14.0, 7.0])
    return np.clip(rng.normal(0.0, spread), -FULL_GAZE, FULL_GAZE)


def _lids(rng: np.random.Generator, units: dict[str, float], gaze: Float[np.ndarray, "2"]) -> None:
    """Blinks, and lids that follow the gaze: open in more than nine of ten frames."""
    draw = rng.random()
    if draw < 0.05:
        _both(rng, units, "eyeBlink", CLOSED_BLINK, 0.02)
    elif draw < 0.13:
        _both(rng, units, "eyeBlink", rng.uniform(0.1, 0.45), 0.08)
    elif draw < 0.145:
        _add(units, "eyeBlink" + str(rng.choice(PAIRED)), CLOSED_BLINK)
    elif draw < 0.30:
        _both(rng, units, "eyeWide", rng.uniform(0.1, 0.7), 0.05)
    to_left, up = gaze / FULL_GAZE
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        _add(units, ("eyeLookOut" if sign * to_left > 0 else "eyeLookIn") + side, abs(float(to_left)))
        _add(units, ("eyeLookUp" if up > 0 else "eyeLookDown") + side, abs(float(up)))
        blink = "eyeBlink" + side
        if blink in units:
            # Looking down has already lowered the lid by about a third of its way.
            units[blink] = min(units[blink], CLOSED_BLINK - 0.25 * max(-float(up), 0.0))


def _eye_pose(rng: np.random.Generator, gaze: Float[np.ndarray, "2"]) -> Float[np.ndarray, "6"]:
    """Both eyes on one point at talking distance: rotation about y turns the gaze to the left, about -x upwards."""
    to_left, up = gaze
    convergence = np.deg2rad(rng.uniform(0.5, 2.5))
    return np.array([-up, to_left - convergence, 0.0, -up, to_left + convergence, 0.0], np.float32)


def _pose(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """(yaw, pitch, roll) in radians: most within a conversation's range, some near the profile that is still useful."""
    spread = [11.0, 5.0, 4.0] if rng.random() < 0.62 else [24.0, 10.0, 8.0]
    angles = np.clip(rng.normal(0.0, spread), [-40.0, -25.0, -25.0], [40.0, 25.0, 25.0])
    return np.deg2rad(angles)
