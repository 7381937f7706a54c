"""From linear light to a camera's picture: blur of the lens, tone curve, colour cast, noise of the sensor, JPEG."""

import io
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from omg_jax.data.portraits.textures import GAMMA

# Linear colours above this bend towards white instead of being cut off.
SHOULDER = 0.55


class CameraLook(NamedTuple):
    """How a camera draws: blur is the standard deviation in pixels, noise in [0, 1] of the encoded picture.

    gains multiply linear colours; contrast bends the encoded curve about its middle (0 leaves it); saturation scales
    colour; jpeg is a quality, 0 for none.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 0.0
    saturation: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = 0


def sample_camera_look(rng: np.random.Generator) -> CameraLook:
    """Phones, webcams and good cameras: mostly clean pictures, some soft, grainy or compressed."""
    cast = rng.normal(0.0, 0.022)
    return CameraLook(
        gains=tuple(float(x) for x in np.exp(rng.normal(0.0, 0.05)) * np.array([1 + cast, 1.0, 1 - cast])),
        contrast=float(rng.uniform(0.0, 0.35)),
        saturation=float(np.clip(rng.normal(0.96, 0.08), 0.7, 1.15)),
        blur=float(rng.uniform(0.25, 0.75)),
        noise=float(rng.exponential(0.006)),
        jpeg=int(rng.integers(72, 96)) if rng.random() < 0.5 else 0,
    )


def develop(
    rng: np.random.Generator, mean: Float[np.ndarray, "h w 4"], camera: CameraLook
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """Encodes a linear premultiplied picture: sRGB times matte, and the matte."""
    height, width = mean.shape[:2]
    row, column = rng.integers(0, (height, width))
    grain = _grain(2 * max(height, width))[row : row + height, column : column + width]
    settings = np.array([*camera.gains, camera.contrast, camera.saturation, camera.blur, camera.noise], np.float32)
    encoded, matte = (np.asarray(x) for x in _encode(mean, grain, settings))
    if camera.jpeg:
        encoded = _compressed(encoded, camera.jpeg)
    # The matte multiplies the encoded colour, as it does where a photo is cut out.
    image = (encoded.astype(np.uint16) * matte[..., None] + 127) // 255
    return image.astype(np.uint8), matte


@jax.jit
def _encode(mean: jax.Array, grain: jax.Array, settings: jax.Array) -> tuple[jax.Array, jax.Array]:
    gains, (contrast, saturation, blur, noise) = settings[:3], settings[3:]
    taps = jnp.exp(-0.5 * (jnp.arange(-2, 3) / jnp.maximum(blur, 1e-3)) ** 2)
    taps = taps / taps.sum()
    for axis in (0, 1):
        padded = jnp.pad(mean, [(2, 2) if i == axis else (0, 0) for i in range(3)], mode="edge")
        size = mean.shape[axis]
        mean = sum(taps[i] * jax.lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(5))
    matte = jnp.clip(mean[..., 3:], 0.0, 1.0)
    colour = jnp.maximum(mean[..., :3] / jnp.maximum(matte, 1e-3), 0.0) * gains
    over = jnp.maximum(colour - SHOULDER, 0.0) / (1.0 - SHOULDER)
    colour = jnp.minimum(colour, SHOULDER) + (1.0 - SHOULDER) * jnp.tanh(over)
    encoded = jnp.exp(jnp.log(colour + 1e-6) / GAMMA)
    encoded = encoded + contrast * encoded * (1.0 - encoded) * (encoded - 0.5) * 2.0
    grey = (encoded @ jnp.array([0.30, 0.59, 0.11]))[..., None]
    encoded = grey + saturation * (encoded - grey)
    # Photon noise is strongest in the middle of the encoded range.
    encoded = encoded + noise * grain * jnp.sqrt(jnp.clip(encoded * (1.2 - encoded), 0.02, 1.0))
    encoded = jnp.where(matte > 0.0, jnp.clip(encoded, 0.0, 1.0), 0.0)
    return (encoded * 255.0 + 0.5).astype(jnp.uint8), (matte[..., 0] * 255.0 + 0.5).astype(jnp.uint8)


@lru_cache(maxsize=1)
def _grain(size: int) -> Float[np.ndarray, "s s 3"]:
    """A sensor's grain: mostly the same in all colours, a little smooth as after demosaicing."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((size, size, 1)) + 0.6 * rng.standard_normal((size, size, 3))
    smooth = noise + 0.5 * (np.roll(noise, 1, axis=0) + np.roll(noise, 1, axis=1))
    return (smooth / smooth.std()).astype(np.float32)


def _compressed(image: UInt8[np.ndarray, "h w 3"], quality: int) -> UInt8[np.ndarray, "h w 3"]:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded.convert("RGB"))
