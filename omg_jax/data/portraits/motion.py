"""Expressions, gaze and head poses of synthetic frames, drawn at random."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# At this much blink the lids have met; beyond it the upper lid would pass the lower one.
CLOSED_BLINK = 0.70
# Largest gaze that the eyeLook units follow, radians (about the eye's own range in conversation).
FULL_GAZE = np.deg2rad(30.0)
UNIT_LIMIT = {"jawOpen": 0.75, "mouthFunnel": 0.7, "mouthPucker": 0.8, "cheekPuff": 0.7, "tongueOut": 0.6}
PAIRED = ("Left", "Right")


class Motion(NamedTuple):
    """A frame's motion: unit weights by name, eye_pose (left, then right: axis-angle) and head angles (radians)."""

    units: dict[str, float]
    eye_pose: Float[np.ndarray, "6"]
    yaw_pitch_roll: Float[np.ndarray, "3"]


def sample_motion(rng: np.random.Generator, unit_names: tuple[str, ...]) -> Motion:
    """One frame: neutral, speech, smile, or a sparse mix of units; then blink, gaze and head pose."""
    kind = rng.choice(["neutral", "speech", "smile", "mixed", "strong"], p=[0.12, 0.33, 0.2, 0.25, 0.10])
    units: dict[str, float] = {}
    if kind == "speech":
        _speak(rng, units)
    elif kind == "smile":
        _smile(rng, units)
    elif kind in ("mixed", "strong"):
        _mix(rng, units, unit_names, 0.45 if kind == "mixed" else 0.8)
    _brows(rng, units)
    gaze = _gaze(rng)
    _lids(rng, units, gaze)
    # The unit closes an open jaw; without one it folds the lips over the nose.
    units["mouthClose"] = min(units.get("mouthClose", 0.0), units.get("jawOpen", 0.0))
    units = {name: float(np.clip(value, 0.0, UNIT_LIMIT.get(name, 1.0))) for name, value in units.items()}
    return Motion({n: v for n, v in units.items() if n in unit_names and v > 0.0}, _eye_pose(rng, gaze), _pose(rng))


def _add(units: dict[str, float], name: str, value: float) -> None:
    units[name] = units.get(name, 0.0) + value


def _both(rng: np.random.Generator, units: dict[str, float], stem: str, value: float, unevenness: float = 0.12) -> None:
    """The left and the right unit, nearly alike."""
    for side in PAIRED:
        _add(units, stem + side, value * float(np.exp(rng.normal(0.0, unevenness))))


def _speak(rng: np.random.Generator, units: dict[str, float]) -> None:
    """The mouth in mid-speech: jaw with one of open, rounded, spread or closed lips."""
    _add(units, "jawOpen", rng.beta(1.5, 4.0) * 0.9)
    shape = rng.choice(["open", "round", "spread", "closed", "bite"])
    if shape == "open":
        _both(rng, units, "mouthLowerDown", rng.uniform(0, 0.6))
        _both(rng, units, "mouthUpperUp", rng.uniform(0, 0.4))
    elif shape == "round":
        _add(units, str(rng.choice(["mouthFunnel", "mouthPucker"])), rng.uniform(0.2, 0.8))
    elif shape == "spread":
        _both(rng, units, "mouthStretch", rng.uniform(0.1, 0.6))
        _both(rng, units, "mouthSmile", rng.uniform(0, 0.3))
    elif shape == "closed":
        _add(units, "mouthClose", units["jawOpen"] * rng.uniform(0.7, 1.0))
        _both(rng, units, "mouthPress", rng.uniform(0.0, 0.6))
    else:
        _add(units, "mouthRollLower", rng.uniform(0.2, 0.7))
        _both(rng, units, "mouthUpperUp", rng.uniform(0.0, 0.4))


def _smile(rng: np.random.Generator, units: dict[str, float]) -> None:
    strength = rng.uniform(0.2, 0.95)
    _both(rng, units, "mouthSmile", strength)
    _both(rng, units, "cheekSquint", strength * rng.uniform(0.2, 0.9))
    _both(rng, units, "eyeSquint", strength * rng.uniform(0.0, 0.6))
    if rng.random() < 0.6:
        _both(rng, units, "mouthUpperUp", strength * rng.uniform(0.1, 0.6))
        _both(rng, units, "mouthLowerDown", strength * rng.uniform(0.0, 0.5))
        _add(units, "jawOpen", strength * rng.uniform(0.0, 0.35))
    if rng.random() < 0.3:
        _both(rng, units, "mouthDimple", rng.uniform(0.1, 0.5))


def _mix(rng: np.random.Generator, units: dict[str, float], names: tuple[str, ...], strength: float) -> None:
    """A few units of any kind; half of the sided ones come with their other side."""
    free = [n for n in names if not n.startswith(("eye", "mouthClose")) and (n != "tongueOut" or rng.random() < 0.2)]
    for name in rng.choice(free, size=rng.integers(2, 6), replace=False):
        value = strength * rng.beta(1.2, 1.2)
        _add(units, str(name), value)
        stem, side = _split_side(str(name))
        if side and rng.random() < 0.5:
            _add(units, stem + PAIRED[1 - PAIRED.index(side)], value)


def _split_side(name: str) -> tuple[str, str]:
    """("mouthSmile", "Left") of mouthSmileLeft; mouthLeft and jawLeft move the whole mouth and have no other side."""
    for side in PAIRED:
        if name.endswith(side) and name not in ("mouthLeft", "mouthRight", "jawLeft", "jawRight"):
            return name[: -len(side)], side
    return name, ""


def _brows(rng: np.random.Generator, units: dict[str, float]) -> None:
    if rng.random() < 0.3:
        _add(units, "browInnerUp", rng.uniform(0.0, 0.8))
        _both(rng, units, "browOuterUp", rng.uniform(0.0, 0.7), 0.3)
    elif rng.random() < 0.3:
        _both(rng, units, "browDown", rng.uniform(0.0, 0.8))


def _gaze(rng: np.random.Generator) -> Float[np.ndarray, "2"]:
    """(to the subject's left, up) in radians; often at the camera's side of straight ahead, sometimes far off."""
    spread = np.deg2rad([6.0, 4.0]) if rng.random() < 0.6 else np.deg2rad([16.0, 9.0])
    return np.clip(rng.normal(0.0, spread), -FULL_GAZE, FULL_GAZE)


def _lids(rng: np.random.Generator, units: dict[str, float], gaze: Float[np.ndarray, "2"]) -> None:
    """Blinks, and lids that follow the gaze."""
    draw = rng.random()
    if draw < 0.07:
        _both(rng, units, "eyeBlink", CLOSED_BLINK, 0.02)
    elif draw < 0.18:
        _both(rng, units, "eyeBlink", rng.uniform(0.1, 0.6), 0.08)
    elif draw < 0.21:
        _add(units, "eyeBlink" + str(rng.choice(PAIRED)), CLOSED_BLINK)
    elif draw < 0.31:
        _both(rng, units, "eyeWide", rng.uniform(0.2, 0.9), 0.05)
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
    spread = [12.0, 6.0, 5.0] if rng.random() < 0.6 else [24.0, 11.0, 9.0]
    angles = np.clip(rng.normal(0.0, spread), [-40.0, -25.0, -25.0], [40.0, 25.0, 25.0])
    return np.deg2rad(angles)
