"""Speed-adaptive smoothing of motion: still heads must not tremble, fast ones must not lag.

The one-euro filter (Casiez et al. 2012): exponential smoothing whose cut-off frequency grows with speed. It runs
forwards and backwards and the mean is taken, so that nothing lags: motions are files, the future is known.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SPEED_CUTOFF = 3.0  # Hz, of the speed estimate


class Smoothness(NamedTuple):
    """cutoff: Hz for a value at rest; speed_gain: Hz per unit of speed (the value's unit per second)."""

    cutoff: float
    speed_gain: float


def smooth(values: Float[np.ndarray, "t *d"], fps: float, smoothness: Smoothness) -> Float[np.ndarray, "t *d"]:
    """Smoothed values, of which each column is filtered by itself. t may be 1."""
    forwards = _one_euro(values, fps, smoothness)
    backwards = _one_euro(values[::-1], fps, smoothness)[::-1]
    return ((forwards + backwards) / 2).astype(values.dtype)


def _one_euro(values: np.ndarray, fps: float, smoothness: Smoothness) -> np.ndarray:
    smoothed = np.array(values, np.float64)
    speed = np.zeros_like(smoothed[0])
    for now in range(1, len(values)):
        speed += _gain(SPEED_CUTOFF, fps) * ((values[now] - smoothed[now - 1]) * fps - speed)
        cutoff = smoothness.cutoff + smoothness.speed_gain * np.abs(speed)
        smoothed[now] = smoothed[now - 1] + _gain(cutoff, fps) * (values[now] - smoothed[now - 1])
    return smoothed


def _gain(cutoff: np.ndarray | float, fps: float) -> np.ndarray | float:
    """Share of a new value that a first-order low-pass filter takes over."""
    return 1.0 / (1.0 + fps / (2.0 * np.pi * cutoff))
