"""Pictures to compare."""

import numpy as np
import skimage.data


def photo(height: int = 96, width: int = 128) -> np.ndarray:
    """A part of a real photo with a face, in [0, 1]."""
    return skimage.data.astronaut()[60 : 60 + height, 150 : 150 + width].astype(np.float32) / 255


def distorted(picture: np.ndarray) -> np.ndarray:
    """The picture moved by a pixel, darkened, and with noise on one half."""
    noise = np.random.default_rng(0).normal(0.0, 0.05, picture.shape)
    noise[:, : picture.shape[1] // 2] = 0.0
    return np.clip(0.9 * np.roll(picture, 1, axis=0) + noise, 0.0, 1.0).astype(np.float32)
