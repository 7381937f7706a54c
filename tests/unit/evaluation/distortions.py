"""Pictures that are worse than another, more and more."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from tests.unit.evaluation.portraits import moved


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0.0))


def noisy(picture: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0.0, sigma, picture.shape)
    return np.clip(picture + noise, 0.0, 1.0).astype(np.float32)


GROWING: dict[str, tuple[Callable[[np.ndarray, float], np.ndarray], tuple]] = {
    "blur": (blurred, (1.0, 2.0, 4.0)),  # standard deviation in pixels
    "noise": (noisy, (0.02, 0.06, 0.15)),  # standard deviation, of pictures in [0, 1]
    "shift": (moved, (2, 4, 8)),  # pixels
}
