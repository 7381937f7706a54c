"""The cache of frozen tokens."""

import numpy as np

from omg_jax.training.tokens import TokenCache

IMAGE = np.linspace(0.0, 1.0, 8 * 8 * 3, dtype=np.float32).reshape(8, 8, 3)
MEBIBYTE_OF_HALVES = 2**19


def test_found_tokens_equal_computed_ones_and_are_not_computed_again():
    calls = []

    def taps(images):
        calls.append(images.shape)
        return tuple(images[:, k] / 3.0 for k in range(4))

    cache = TokenCache(taps, capacity_mb=1)
    computed, found = cache(0, 1, 0, IMAGE), cache(0, 1, 0, IMAGE)
    assert calls == [(1, 8, 8, 3)]
    for a, b, row in zip(computed, found, IMAGE[:4], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, (row / np.float32(3)).astype(np.float16).astype(np.float32))


def test_the_frame_that_was_not_used_for_longest_leaves_first():
    calls = []

    def taps(images):
        calls.append(float(images[0, 0, 0, 0]))
        return (np.zeros((1, MEBIBYTE_OF_HALVES, 1), np.float32),)

    cache = TokenCache(taps, capacity_mb=2)
    for frame in (0, 1, 0, 2, 0, 1):
        cache(0, frame, 0, np.full((2, 2, 3), frame, np.float32))
    assert calls == [0, 1, 2, 1]
