"""Means over pairs, and how far another draw of pairs would move them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Values = Sequence[float] | Float[np.ndarray, " n"]

RESAMPLES = 2000
LEVEL = 0.95
ENOUGH_PAIRS = 8  # below, the bootstrap's interval holds the mean clearly less often than it says (of 3: 75 %)
_SEED = 0


class Interval(NamedTuple):
    """A mean with its 95 % interval; low and high are None where there is one value only."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: Values) -> Interval:
    """The mean over pairs, with its percentile bootstrap interval (Efron 1979) over pairs.

    values: one number per pair, each the mean over the pair's frames: frames of one clip are too alike to count as
    independent. 2,000 resamples of a fixed seed: the same values in the same order give the same interval. Equals
    scipy.stats.bootstrap with ``method="percentile"``, but for the draws. ValueError where there is no value.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size == 0:
        raise ValueError("a mean needs at least one pair with a value, got none")
    if numbers.size == 1:
        return Interval(float(numbers[0]), None, None)
    draws = np.random.default_rng(_SEED).integers(0, numbers.size, (RESAMPLES, numbers.size))
    low, high = np.quantile(numbers[draws].mean(axis=1), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(numbers.mean()), float(low), float(high))


def paired_difference(a: Values, b: Values) -> Interval:
    """The mean of b - a over the same pairs, with its interval: what is hard for both does not count.

    ValueError where the two differ in length, or are empty.
    """
    if len(a) != len(b):
        raise ValueError(f"a paired difference needs the same pairs on both sides, got {len(a)} and {len(b)}")
    return mean_interval(np.asarray(b, np.float64) - np.asarray(a, np.float64))
