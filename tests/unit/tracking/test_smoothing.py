"""The speed-adaptive filter."""

import numpy as np

from omg_jax.tracking.smoothing import Smoothness, smooth
from tests.tolerances import FLOAT32_ROUNDING, LAG_LEFT, TREMBLING_LEFT

FPS = 30.0
SMOOTHNESS = Smoothness(cutoff=1.0, speed_gain=5.0)


def trembling(values: np.ndarray) -> float:
    return float(np.abs(np.diff(values, 2, axis=0)).mean())


def test_constants_and_single_frames_stay():
    still = np.full((10, 3), 0.7, np.float32)
    np.testing.assert_allclose(smooth(still, FPS, SMOOTHNESS), still, **FLOAT32_ROUNDING)
    np.testing.assert_array_equal(smooth(still[:1], FPS, SMOOTHNESS), still[:1])


def test_noise_at_rest_is_damped():
    noise = 0.01 * np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    assert trembling(smooth(noise, FPS, SMOOTHNESS)) < TREMBLING_LEFT * trembling(noise)


def test_fast_motion_is_followed_without_lag():
    time = np.arange(90) / FPS
    swing = 0.5 * np.sin(2 * np.pi * 1.5 * time)[:, None]
    adaptive = np.abs(smooth(swing, FPS, SMOOTHNESS) - swing)[10:-10].mean()
    plain = np.abs(smooth(swing, FPS, SMOOTHNESS._replace(speed_gain=0.0)) - swing)[10:-10].mean()
    assert adaptive < LAG_LEFT * plain


def test_time_has_no_direction():
    walk = np.cumsum(np.random.default_rng(1).normal(size=(50, 2)), axis=0)
    np.testing.assert_allclose(
        smooth(walk[::-1], FPS, SMOOTHNESS)[::-1], smooth(walk, FPS, SMOOTHNESS), **FLOAT32_ROUNDING
    )
