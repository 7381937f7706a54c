"""Puts portraits, which are stored on black, before a background: for pictures to look at and to test mattes on."""

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter


def sample_background(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "h w 3"]:
    """A wall lit from one side, or a room or street out of focus; sRGB."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size
    wall = rng.uniform(0.12, 0.75) * (1.0 + rng.normal(0.0, 0.04, 3))
    across, down = rng.normal(0.0, 0.18, 2)
    picture = wall * (1.0 + across * (columns - 0.5) + down * (rows - 0.5))[..., None]
    if rng.random() < 0.6:
        for _ in range(rng.integers(4, 14)):
            picture = _with_box(rng, picture)
        picture = gaussian_filter(picture, (*[rng.uniform(0.015, 0.05) * size] * 2, 0))
    centre = rng.uniform(0.35, 0.65, 2)
    distance = np.hypot(columns - centre[0], rows - centre[1])[..., None]
    picture = picture * (1.0 + 0.18 * np.cos(np.clip(2.2 * distance, 0.0, np.pi)))
    return (np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def over(
    images: UInt8[np.ndarray, "*t h w 3"], mattes: UInt8[np.ndarray, "*t h w"], background: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "*t h w 3"]:
    """Pictures on black, times their mattes, laid over a background."""
    clear = 255 - mattes[..., None].astype(np.uint32)
    return np.minimum(images + (clear * background + 127) // 255, 255).astype(np.uint8)


def _with_box(rng: np.random.Generator, picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """The picture with one rectangle (a shelf, a window, a door) of another brightness, a little coloured."""
    size = len(picture)
    top, left = (rng.uniform(-0.2, 1.0, 2) * size).astype(int)
    height, width = (rng.uniform(0.05, 0.6, 2) * size).astype(int)
    box = np.s_[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    result = picture.copy()
    result[box] = rng.uniform(0.05, 0.95) * (1.0 + rng.normal(0.0, 0.05, 3))
    return result
