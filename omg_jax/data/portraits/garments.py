"""Garments in many colours and patterns: the texture gives folds and seams, the place on the body the pattern."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from omg_jax.data.portraits.textures import GAMMA, LEVELS, Texture, luminance, shift_colours, to_bytes

# Linear RGB: what people wear, greys and blues more than bright colours.
COLOURS = np.array([
    (0.012, 0.012, 0.014), (0.04, 0.04, 0.045), (0.12, 0.12, 0.125), (0.30, 0.30, 0.30), (0.62, 0.61, 0.59),
    (0.012, 0.020, 0.050), (0.03, 0.06, 0.14), (0.10, 0.19, 0.36), (0.28, 0.40, 0.55), (0.20, 0.012, 0.018),
    (0.42, 0.03, 0.03), (0.10, 0.015, 0.03), (0.018, 0.055, 0.030), (0.07, 0.11, 0.05), (0.13, 0.24, 0.17),
    (0.40, 0.28, 0.05), (0.50, 0.42, 0.28), (0.16, 0.09, 0.05), (0.33, 0.21, 0.13), (0.42, 0.20, 0.22),
    (0.16, 0.10, 0.20), (0.03, 0.16, 0.18), (0.55, 0.50, 0.42), (0.33, 0.10, 0.03),
])  # fmt: skip
PATTERNS = {"plain": 0.40, "heather": 0.18, "stripes": 0.14, "checks": 0.10, "print": 0.08, "block": 0.10}
# Suits of several cloths keep their own colours.
OWN_COLOURS = ("elegant", "work")


class GarmentLook(NamedTuple):
    """pattern is one of PATTERNS, or "own" for the texture's own colours, toned by `first`; colours are linear.

    pitch is the pattern's repeat in world units (5 x metre).
    """

    name: str
    pattern: str
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    pitch: float
    phase: float


def sample_garment(rng: np.random.Generator, names: tuple[str, ...], sex: str) -> GarmentLook:
    """One of the garments made for a sex, in colours and a pattern."""
    name = str(rng.choice([name for name in names if name.startswith(sex)] or list(names)))
    own = any(word in name for word in OWN_COLOURS)
    shares = np.array(list(PATTERNS.values()))
    first, second = (COLOURS[rng.integers(len(COLOURS))] * np.exp(rng.normal(0.0, 0.2, 3)) for _ in range(2))
    pattern = "own" if own else str(rng.choice(list(PATTERNS), p=shares / shares.sum()))
    if pattern == "heather":
        second = first * rng.uniform(1.3, 2.2)
    return GarmentLook(
        name=name,
        pattern=pattern,
        first=tuple(float(x) for x in first),
        second=tuple(float(x) for x in second),
        pitch=float(np.exp(rng.uniform(np.log(0.05), np.log(0.30)))),
        phase=float(rng.uniform(0.0, 1.0)),
    )


def paint_garment(texture: Texture, places: Float[np.ndarray, "h w 3"], look: GarmentLook) -> Texture:
    """The texture in the look's colours; places are its texels' in world units."""
    if look.pattern == "own":
        # Dark or light, hardly coloured: what jackets are.
        warmth = 0.3 * (look.first[0] - look.first[2]) / (sum(look.first) + 0.05)
        return shift_colours(texture, 0.0, 0.35 + abs(warmth), float(np.clip(0.5 + 2.0 * look.first[1], 0.4, 1.3)))
    bright = luminance(texture)
    mean = float(bright.mean()) / 255.0
    level = (np.clip((LEVELS**GAMMA + 0.02) / (mean**GAMMA + 0.02), 0.05, 3.0) ** 0.7).astype(np.float32)[bright]
    share = _pattern(places, look)
    painted = texture.copy()
    for channel in range(3):
        colour = look.first[channel] + share * np.float32(look.second[channel] - look.first[channel])
        painted[..., channel] = to_bytes(np.minimum(level * colour, 0.8))
    return painted


def _pattern(places: Float[np.ndarray, "h w 3"], look: GarmentLook) -> Float[np.ndarray, "h w"]:
    """Share of the second colour, in [0, 1]."""
    x, y, z = places[..., 0], places[..., 1], places[..., 2]
    rows = y / look.pitch + look.phase
    around = (np.arctan2(x, z + 0.6) * 1.1) / look.pitch
    if look.pattern == "stripes":
        return _band(rows, 0.2 + 0.4 * look.phase)
    if look.pattern == "checks":
        return np.float32(0.5) * (_band(rows, 0.4) + _band(around, 0.4))
    if look.pattern == "block":
        return (y < -1.05 - 0.35 * look.phase).astype(np.float32)
    if look.pattern == "print":
        waves = np.sin(7 * rows + 3 * np.sin(2 * around)) + np.sin(6 * around + 2 * np.sin(3 * rows))
        return (waves > 0.9).astype(np.float32)
    if look.pattern == "heather":
        rng = np.random.default_rng(int(1e6 * look.phase))
        return np.clip(0.25 + 0.22 * rng.standard_normal(x.shape, np.float32), 0.0, 1.0)
    return np.zeros(x.shape, np.float32)


def _band(value: np.ndarray, width: float) -> Float[np.ndarray, "h w"]:
    """1 within `width` of each repeat, with edges a little soft."""
    distance = np.abs(value - np.round(value))
    return np.clip((0.5 * width - distance) * 12.0 + 0.5, 0.0, 1.0).astype(np.float32)
