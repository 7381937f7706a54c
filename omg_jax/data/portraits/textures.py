"""Textures of the portrait renderer: eight-bit sRGB, straight alpha, recoloured through tables, packed in one atlas.

Linear light is (value / 255) ** GAMMA throughout this package.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt32
from PIL import Image
from scipy.ndimage import gaussian_filter, minimum_filter

Texture = UInt8[np.ndarray, "h w 4"]
AnyTexture = UInt8[np.ndarray, "_ _ 4"]  # in lists of several sizes
GAMMA = 2.2
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
LEVELS = np.arange(256, dtype=np.float32) / 255.0
# Relief that says nothing: no slope in u or v, gloss as the material has it, no extra roughness.
FLAT_RELIEF = (128, 128, 128, 128)
# Few different lengths of the atlas: each costs a compilation.
COLOUR_PADDING, RELIEF_PADDING, LAYOUT_ROWS = 1 << 22, 1 << 21, 8


class Atlas(NamedTuple):
    """All textures of a person in two rows of texels, each four bytes in one word: colour and alpha; relief.

    layout[i] is texture i's first texel, width, height and first texel of relief (0, the neutral one, where it has
    none; stride is then 0).
    """

    colour: UInt32[np.ndarray, "n"]
    relief: UInt32[np.ndarray, "r"]
    layout: Int[np.ndarray, "p 5"]


@lru_cache(maxsize=40)
def load_texture(path: Path, halvings: int = 0) -> Texture:
    """Reads a picture as a read-only texture; where it is clear it holds its mean colour, so that lookups may blend.

    halvings: how often its sides are halved, colours weighted by alpha; for what is seen from afar.
    """
    with Image.open(path) as image:
        texture = np.asarray(image.convert("RGBA"))
    for _ in range(halvings):
        texture = _halved(texture)
    texture = np.ascontiguousarray(texture)
    clear = texture[..., 3] < 8
    if clear.any() and not clear.all():
        texture = texture.copy()
        texture[clear, :3] = texture[~clear, :3].mean(axis=0)
    texture.flags.writeable = False
    return texture


def _halved(texture: Texture) -> UInt8[np.ndarray, "i j 4"]:
    blocks = texture[: texture.shape[0] // 2 * 2, : texture.shape[1] // 2 * 2].astype(np.float32)
    alpha = blocks[..., 3:] + 1e-3
    weighted = np.concatenate([blocks[..., :3] * alpha, alpha], axis=2)
    summed = sum(weighted[row::2, column::2] for row in (0, 1) for column in (0, 1))
    return np.concatenate([summed[..., :3] / summed[..., 3:], summed[..., 3:] / 4.0], axis=2).astype(np.uint8)


def to_linear(texture: UInt8[np.ndarray, "*n c"]) -> Float[np.ndarray, "*n c"]:
    return (LEVELS**GAMMA).astype(np.float32)[texture]


def to_bytes(linear: Float[np.ndarray, "*n c"]) -> UInt8[np.ndarray, "*n c"]:
    return (np.clip(linear, 0.0, 1.0) ** (1.0 / GAMMA) * 255.0 + 0.5).astype(np.uint8)


def luminance(texture: Texture) -> UInt8[np.ndarray, "h w"]:
    """Brightness in sRGB."""
    red, green, blue = (texture[..., i].astype(np.uint16) for i in range(3))
    return ((54 * red + 183 * green + 19 * blue) >> 8).astype(np.uint8)


def tint(texture: Texture, colour: Float[np.ndarray, "3"], contrast: float = 0.8) -> Texture:
    """Repaints a texture in one colour (linear): its own brightness, levelled to a mean of 1, scales the colour."""
    bright = luminance(texture)
    seen = texture[..., 3] > 127
    mean = float(bright[seen].mean() if seen.any() else bright.mean()) / 255.0
    # The floor keeps nearly black textures, whose brightness is noise, from turning into pepper and salt.
    level = np.clip((LEVELS**GAMMA + 0.015) / (mean**GAMMA + 0.015), 0.02, 4.0) ** contrast
    table = np.zeros((256, 4), np.uint8)
    table[:, :3] = to_bytes(level[:, None] * np.asarray(colour, np.float32))
    painted = table[bright]
    painted[..., 3] = texture[..., 3]
    return painted


def shift_colours(texture: Texture, hue: float, saturation: float, gain: float) -> Texture:
    """Turns the hue (radians about the grey axis), scales the saturation and multiplies linear light by a gain."""
    grey = np.full((3, 3), 1.0 / 3.0)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3.0)
    rotation = np.cos(hue) * (np.eye(3) - grey) + np.sin(hue) * cross
    matrix = (gain ** (1.0 / GAMMA) * (grey + saturation * rotation)).astype(np.float32)
    shifted = texture.copy()
    shifted[..., :3] = np.clip(texture[..., :3].astype(np.float32) @ matrix.T + 0.5, 0.0, 255.0)
    return shifted


def shaded(texture: Texture, gains: tuple[float, float, float], contrast: float = 1.0) -> Texture:
    """Linear light raised to the power `contrast` and multiplied, colour by colour."""
    result = texture.copy()
    for channel, gain in enumerate(gains):
        result[..., channel] = to_bytes(LEVELS ** (contrast * GAMMA) * np.float32(gain))[texture[..., channel]]
    return result


def with_strands(texture: Texture, strength: float) -> Texture:
    """Hair with strands along v, finer than the texture has them: brightness varies by about `strength`."""
    height, width = texture.shape[:2]
    gain = 1.0 + strength * _strands(1024)[:height, :width, None] / GAMMA
    result = texture.copy()
    result[..., :3] = np.clip(texture[..., :3] * gain, 0.0, 255.0)
    return result


@lru_cache(maxsize=8)
def strand_gloss(height: int, width: int) -> Texture:
    """A relief whose gloss varies from strand to strand: dark hair shows its strands in its highlights only."""
    result = np.empty((height, width, 4), np.uint8)
    result[..., :] = FLAT_RELIEF
    result[..., 2] = np.clip(128.0 * (1.0 + 0.7 * _strands(1024)[:height, :width]), 8, 255)
    return result


@lru_cache(maxsize=1)
def _strands(size: int) -> Float[np.ndarray, "s s"]:
    """Noise of unit variance, long along the columns: single hairs, and locks."""
    rng = np.random.default_rng(0)
    hairs = gaussian_filter(rng.standard_normal((size, size)), (40.0, 0.6))
    locks = gaussian_filter(rng.standard_normal((size, size)), (90.0, 4.0))
    return (0.8 * hairs / hairs.std() + 0.6 * locks / locks.std()).astype(np.float32)


def denser(texture: Texture, power: float) -> Texture:
    """Layers of thin hair on top of each other: what is clear is multiplied `power` times with itself."""
    painted = texture.copy()
    painted[..., 3] = ((1.0 - (1.0 - LEVELS) ** power) * 255.0 + 0.5).astype(np.uint8)[texture[..., 3]]
    return painted


def opaque(texture: Texture) -> Texture:
    solid = texture.copy()
    solid[..., 3] = 255
    return solid


def relief(texture: Texture, scale: float, strength: float) -> Texture:
    """Slopes that the texture's fine brightness suggests (bright is high), features of up to `scale` texels."""
    height = luminance(texture).astype(np.float32) / 255.0
    height -= gaussian_filter(height, scale)
    result = np.empty(texture.shape, np.uint8)
    result[..., :] = FLAT_RELIEF
    for channel, axis in ((0, 1), (1, 0)):
        slope = strength * np.gradient(height, axis=axis)
        result[..., channel] = np.clip(128.0 + 127.0 * slope, 1, 255)
    return result


def sample_alpha(texture: Texture, uvs: Float[np.ndarray, "*n 2"], least_of: int = 1) -> Float[np.ndarray, "*n"]:
    """Alpha in [0, 1] at the nearest texel, or the least alpha of the square of `least_of` texels around."""
    height, width = texture.shape[:2]
    alpha = texture[..., 3]
    if least_of > 1:
        alpha = minimum_filter(alpha, least_of)
    columns = np.clip((uvs[..., 0] * width).astype(np.int32), 0, width - 1)
    rows = np.clip(((1.0 - uvs[..., 1]) * height).astype(np.int32), 0, height - 1)
    return alpha[rows, columns] / np.float32(255.0)


def pack(textures: list[AnyTexture], reliefs: list[AnyTexture | None]) -> Atlas:
    """Lays textures and their reliefs one after another."""
    colours, slopes, layout = [], [np.array([FLAT_RELIEF], np.uint8).view(np.uint32)[:, 0]], []
    first, first_relief = 0, 1
    for texture, slope in zip(textures, reliefs, strict=True):
        height, width = texture.shape[:2]
        layout.append((first, width, height, first_relief if slope is not None else 0, int(slope is not None)))
        colours.append(_words(texture))
        first += height * width
        if slope is not None:
            if slope.shape != texture.shape:
                raise ValueError(f"relief: expected the shape of its texture, {texture.shape}, got {slope.shape}")
            slopes.append(_words(slope))
            first_relief += height * width
    colours.append(np.zeros(-first % COLOUR_PADDING, np.uint32))
    slopes.append(np.zeros(-first_relief % RELIEF_PADDING, np.uint32))
    layout += [layout[0]] * (LAYOUT_ROWS - len(layout))
    return Atlas(np.concatenate(colours), np.concatenate(slopes), np.array(layout, np.int32))


def _words(texture: Texture) -> UInt32[np.ndarray, "n"]:
    return np.ascontiguousarray(texture).view(np.uint32).reshape(-1)
