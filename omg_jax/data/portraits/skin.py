"""Paints a person's skin: tone from melanin and blood, freckles and moles, stubble and beard, make-up, scalp, oil.

A skin texture is taken for its detail only: each channel is divided by its mean over the face. What multiplies it is
the reflectance of skin, scattering dermis under melanin and haemoglobin (Beer-Lambert with broad camera bands).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from omg_jax.data.portraits.anatomy import HEAD_COLUMNS, HEAD_ROWS, TEXTURE_SIZE, Anatomy
from omg_jax.data.portraits.textures import GAMMA, LEVELS, Texture, to_bytes, to_linear

# Reflectance of bloodless, pigmentless skin, and absorption per unit of pigment, in red, green and blue.
DERMIS = np.array([0.82, 0.71, 0.61], np.float32)
MELANIN = np.array([0.64, 1.0, 1.40], np.float32)
HAEMOGLOBIN = np.array([0.10, 1.0, 0.78], np.float32)
# How much of a texture's detail is kept (1 is all): painted skins are a little too contrasted.
DETAIL = np.array([0.85, 0.80, 0.75], np.float32)
NOISE_SCALES = (0.0, 0.8, 2.5, 7.0, 24.0)
BEARDS = ("beard", "goatee", "moustache", "circle")


class SkinLook(NamedTuple):
    """A person's skin. Amounts lie in [0, 1] unless said otherwise; colours are linear.

    textures are two names whose details are mixed by `mix` (share of the second). melanin (about 0.1 to 2.5) and blood
    (0.15 to 0.6) make the tone. beard is one of BEARDS, or "" for none; beard_density from shadow to full.
    """

    textures: tuple[str, str]
    mix: float
    melanin: float
    blood: float
    blotches: float
    freckles: float
    moles: int
    under_eyes: float
    oil: float
    beard: str
    beard_density: float
    scalp: float
    hair_colour: tuple[float, float, float]
    lip_redness: float
    lipstick: float
    lipstick_colour: tuple[float, float, float]
    eyeshadow: float
    eyeshadow_colour: tuple[float, float, float]
    blush: float


def skin_tone(melanin: float, blood: float) -> Float[np.ndarray, "3"]:
    """Reflectance (linear RGB) of skin."""
    return DERMIS * np.exp(-melanin * MELANIN - blood * HAEMOGLOBIN)


def paint_skin(
    rng: np.random.Generator,
    detail: tuple[Texture, Texture],
    slopes: Texture,
    anatomy: Anatomy,
    look: SkinLook,
) -> tuple[Texture, Texture]:
    """The skin's texture and relief (its third channel is gloss) from two skin textures and the relief of one."""
    tone = skin_tone(look.melanin, look.blood)
    painted, share = _toned(detail[0], anatomy, tone), int(256 * look.mix)
    if share:
        second = _toned(detail[1], anatomy, tone)
        painted[:] = (painted.astype(np.uint16) * (256 - share) + second * np.uint16(share)) >> 8
    painted[..., 3] = 255
    slopes = slopes.copy()
    colour = to_linear(painted[HEAD_ROWS, HEAD_COLUMNS, :3])
    noise = _noise(rng)
    colour, gloss = _paint_head(rng, colour, noise, anatomy, look)
    painted[HEAD_ROWS, HEAD_COLUMNS, :3] = to_bytes(colour)
    slopes[HEAD_ROWS, HEAD_COLUMNS, 2] = np.clip(128.0 * gloss, 0, 255)
    return painted, slopes


def _paint_head(
    rng: np.random.Generator,
    colour: Float[np.ndarray, "h w 3"],
    noise: dict[float, Float[np.ndarray, "h w"]],
    anatomy: Anatomy,
    look: SkinLook,
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """Colour and gloss of the head's texels."""
    blood = look.blotches * (0.10 * noise[24.0] + 0.05 * noise[7.0]) + 0.10 * anatomy.nose + 0.05 * anatomy.cheeks
    blood += 0.10 * look.under_eyes * anatomy.under_eyes + look.lip_redness * anatomy.lips
    blood += 0.55 * look.blush * anatomy.cheeks
    melanin = 0.05 * look.blotches * noise[24.0] + 0.16 * look.under_eyes * anatomy.under_eyes
    spots = np.clip(noise[2.5] + 0.5 * noise[24.0] - 1.3, 0.0, 1.0) + 0.6 * np.clip(noise[0.8] - 1.9, 0.0, 1.0)
    melanin += (look.freckles * 0.9) * spots * anatomy.freckled + _moles(rng, anatomy, look.moles)
    grain = 0.025 * noise[0.8] + 0.02 * noise[2.5]
    for channel in range(3):
        absorbed = blood * HAEMOGLOBIN[channel] + melanin * MELANIN[channel] + grain
        colour[..., channel] *= np.exp(-absorbed)
    gloss = 0.75 + 0.55 * look.oil * anatomy.oily + 0.12 * noise[7.0] + 0.10 * noise[0.8] + 0.9 * anatomy.lips
    if look.eyeshadow > 0.0:
        _lay(colour, look.eyeshadow * anatomy.lids, look.eyeshadow_colour)
    if look.lipstick > 0.0:
        edge = np.clip(1.3 * anatomy.lips, 0.0, 1.0)
        _lay(colour, look.lipstick * edge * (1.0 + 0.06 * noise[2.5]), look.lipstick_colour)
        gloss += 1.2 * look.lipstick * edge
    hairs = np.clip(0.6 + 0.25 * noise[0.0] + 0.22 * noise[0.8], 0.0, 1.0)
    if look.beard:
        density = look.beard_density * _beard(anatomy, look.beard)
        # Thin at its borders, and where hair is short the skin shines through.
        density = np.clip(density * (1.0 + 0.12 * noise[7.0]), 0.0, 1.0)
        cover = np.clip(density * (0.50 + 0.65 * hairs), 0.0, 0.93)
        _lay(colour, cover, look.hair_colour, 0.25 * noise[0.8])
        gloss *= 1.0 - 0.6 * density
    if look.scalp > 0.0:
        cover = look.scalp * np.clip(anatomy.scalp * (1.0 + 0.10 * noise[7.0]), 0.0, 1.0) * (0.45 + 0.65 * hairs)
        _lay(colour, np.clip(cover, 0.0, 0.95), look.hair_colour, 0.2 * noise[0.8])
        gloss *= 1.0 - 0.5 * look.scalp * anatomy.scalp
    return colour, gloss


def _lay(colour: np.ndarray, cover: np.ndarray, paint: tuple[float, float, float], shade: np.ndarray | float = 0.0):
    """Lays paint over a picture in place."""
    for channel in range(3):
        colour[..., channel] += cover * (paint[channel] * np.exp(shade) - colour[..., channel])


def _beard(anatomy: Anatomy, style: str) -> Float[np.ndarray, "h w"]:
    if style == "beard":
        return np.maximum(anatomy.beard, anatomy.moustache)
    if style == "circle":
        return np.maximum(anatomy.goatee, anatomy.moustache)
    return anatomy.goatee if style == "goatee" else anatomy.moustache


def _moles(rng: np.random.Generator, anatomy: Anatomy, count: int) -> Float[np.ndarray, "h w"]:
    """Melanin of a few round spots at random places of face and neck."""
    total = np.zeros(anatomy.lips.shape, np.float32)
    rows, columns = np.nonzero(anatomy.face > 0.5)
    for index in rng.integers(0, rows.size, count):
        row, column, radius = rows[index], columns[index], rng.uniform(0.7, 1.6)
        window = (slice(max(row - 6, 0), row + 7), slice(max(column - 6, 0), column + 7))
        y, x = np.ogrid[window]
        total[window] += rng.uniform(0.5, 1.5) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * radius**2))
    return total


def _toned(texture: Texture, anatomy: Anatomy, tone: Float[np.ndarray, "3"]) -> Texture:
    """The texture's detail on another mean tone, by one table per channel."""
    face = to_linear(texture[HEAD_ROWS, HEAD_COLUMNS, :3][::2, ::2])
    share = anatomy.face[::2, ::2, None] * (1.0 - anatomy.beard[::2, ::2, None])
    mean = (face * share).sum(axis=(0, 1)) / share.sum()
    result = np.empty_like(texture)
    for channel in range(3):
        ratio = np.maximum(LEVELS**GAMMA, 1e-4) / mean[channel]
        result[..., channel] = to_bytes(tone[channel] * ratio ** DETAIL[channel])[texture[..., channel]]
    return result


def _noise(rng: np.random.Generator) -> dict[float, Float[np.ndarray, "h w"]]:
    """Unit noise of several scales (texels), cut out of a fixed bank at random."""
    height, width = HEAD_ROWS.stop - HEAD_ROWS.start, HEAD_COLUMNS.stop - HEAD_COLUMNS.start
    fields = {}
    for scale, field in _noise_bank().items():
        row, column = rng.integers(0, (TEXTURE_SIZE - height, TEXTURE_SIZE - width))
        fields[scale] = field[row : row + height, column : column + width]
    return fields


@lru_cache(maxsize=1)
def _noise_bank() -> dict[float, Float[np.ndarray, "s s"]]:
    rng = np.random.default_rng(0)
    bank = {}
    for scale in NOISE_SCALES:
        field = rng.standard_normal((TEXTURE_SIZE, TEXTURE_SIZE))
        field = gaussian_filter(field, scale, mode="wrap") if scale else field
        bank[scale] = (field / field.std()).astype(np.float32)
    return bank
