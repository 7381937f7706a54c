"""Means over pairs and their bootstrap intervals."""

import numpy as np
import pytest
from scipy import stats

from omg_jax.evaluation.intervals import LEVEL, RESAMPLES, mean_interval, paired_difference
from tests.tolerances import FLOAT32_ROUNDING

VALUES = np.random.default_rng(1).gamma(2.0, 3.0, 40)


def test_the_interval_is_scipys_for_the_same_draws():
    theirs = stats.bootstrap(
        (VALUES,), np.mean, n_resamples=RESAMPLES, confidence_level=LEVEL, method="percentile", rng=0
    )
    ours = mean_interval(VALUES)
    np.testing.assert_allclose(ours, [VALUES.mean(), *theirs.confidence_interval], **FLOAT32_ROUNDING)


def test_the_same_values_have_the_same_interval_to_the_bit():
    assert mean_interval(VALUES) == mean_interval(VALUES.tolist())


def test_equal_values_leave_no_doubt_and_one_value_has_no_interval():
    assert mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)
    assert mean_interval([2.0]) == (2.0, None, None)


def test_a_paired_difference_sees_through_pairs_that_differ():
    better = VALUES + 0.5 + np.random.default_rng(2).normal(0.0, 0.2, len(VALUES))
    difference = paired_difference(VALUES, better)
    assert 0.0 < difference.low < difference.mean < difference.high < 1.0
    assert mean_interval(VALUES).high > mean_interval(better).low  # not to be told apart by themselves


def test_nothing_and_sides_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="at least one pair with a value"):
        mean_interval([])
    with pytest.raises(ValueError, match="same pairs on both sides, got 2 and 1"):
        paired_difference([1.0, 2.0], [1.0])
