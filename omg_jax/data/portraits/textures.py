"""Textures of the portrait renderer: linear light, premultiplied by alpha, bilinear lookup, and recolouring.

Linear light means squared sRGB values throughout this package: a gamma of 2, cheap to apply and to undo.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

Texture = Float[np.ndarray, "h w 4"]
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


@lru_cache(maxsize=24)
def load_texture(path: Path) -> Texture:
    """Reads a picture as a read-only texture: linear, premultiplied RGB and alpha, float32 in [0, 1]."""
    with Image.open(path) as image:
        texture = np.asarray(image.convert("RGBA"), np.float32) / 255.0
    texture[..., :3] *= texture[..., :3] * texture[..., 3:]
    texture.flags.writeable = False
    return texture


def without_alpha(texture: Texture) -> Texture:
    """The texture's colours made opaque everywhere."""
    solid = texture.copy()
    solid[..., :3] /= np.maximum(texture[..., 3:], 1e-3)
    solid[..., 3] = 1.0
    return solid


def sample_texture(texture: Texture, uvs: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 4"]:
    """Bilinear lookup; u runs to the right and v upwards over [0, 1], clamped at the border."""
    height, width = texture.shape[:2]
    x = np.clip(uvs[:, 0] * width - 0.5, 0.0, width - 1.001)
    y = np.clip((1.0 - uvs[:, 1]) * height - 0.5, 0.0, height - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    across, down = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    flat = texture.reshape(-1, 4)
    corner = top * width + left
    upper = flat[corner]
    upper += across * (flat[corner + 1] - upper)
    lower = flat[corner + width]
    lower += across * (flat[corner + width + 1] - lower)
    upper += down * (lower - upper)
    return upper


def shift_colours(texture: Texture, hue: float, saturation: float, gain: float) -> Texture:
    """Turns the hue (radians about the grey axis), scales the saturation and multiplies by a gain."""
    grey = np.full((3, 3), 1.0 / 3.0)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3.0)
    rotation = np.cos(hue) * (np.eye(3) - grey) + np.sin(hue) * cross
    matrix = (gain * (grey + saturation * rotation)).astype(np.float32)
    shifted = texture.copy()
    shifted[..., :3] = np.clip(texture[..., :3] @ matrix.T, 0.0, texture[..., 3:])
    return shifted


def tint(texture: Texture, colour: Float[np.ndarray, "3"], contrast: float = 0.8) -> Texture:
    """Repaints hair in one colour (linear): the texture's own luminance, levelled to a mean of 1, scales the colour."""
    alpha = texture[..., 3]
    luminance = (texture[..., :3] @ LUMINANCE) / np.maximum(alpha, 1e-3)
    mean = luminance[alpha > 0.5].mean() if (alpha > 0.5).any() else luminance.mean()
    # The floor keeps nearly black textures, whose luminance is noise, from turning into pepper and salt.
    level = (np.clip((luminance + 0.015) / (float(mean) + 0.015), 0.02, 4.0) ** contrast)[..., None]
    painted = np.empty_like(texture)
    painted[..., :3] = np.clip(level * colour.astype(np.float32), 0.0, 1.0) * alpha[..., None]
    painted[..., 3] = alpha
    return painted
