"""The curriculum over levels of detail."""

import numpy as np
import pytest

from omg_jax.config import CurriculumConfig
from omg_jax.training.curriculum import check_curriculum, level_at, levels_ahead
from tests.tolerances import DRAWN_SHARES

CONFIG = CurriculumConfig(level_0_until=0.1, level_1_until=0.3, random_shares=(0.1, 0.2, 0.7))
NUM_STEPS = 20_000


def test_levels_come_in_the_papers_order_and_shares():
    levels = np.array([level_at(CONFIG, NUM_STEPS, 0, step) for step in range(NUM_STEPS)])
    assert np.all(levels[:2000] == 0)
    assert np.all(levels[2000:6000] == 1)
    np.testing.assert_allclose(np.bincount(levels[6000:]) / 14_000, CONFIG.random_shares, **DRAWN_SHARES)


@pytest.mark.parametrize("first", [0, 1999, 2000, 5999, 6000, 19_900])
def test_levels_ahead_are_those_that_come(first):
    coming = {level_at(CONFIG, NUM_STEPS, 0, step) for step in range(first, NUM_STEPS)}
    assert levels_ahead(CONFIG, NUM_STEPS, first) == sorted(coming)


def test_levels_that_never_come_are_not_ahead():
    only_first = CurriculumConfig(level_0_until=1.0, level_1_until=1.0)
    no_second = CurriculumConfig(level_0_until=0.5, level_1_until=0.5, random_shares=(0.5, 0.0, 0.5))
    assert levels_ahead(only_first, 10, 0) == [0] and levels_ahead(no_second, 10, 0) == [0, 2]


def test_a_level_is_a_function_of_seed_and_step():
    late = range(6000, 6200)
    first = [level_at(CONFIG, NUM_STEPS, 0, step) for step in late]
    assert first == [level_at(CONFIG, NUM_STEPS, 0, step) for step in reversed(late)][::-1]
    assert first != [level_at(CONFIG, NUM_STEPS, 1, step) for step in late]


def test_what_is_no_schedule_is_refused():
    check_curriculum(CONFIG, 2)
    with pytest.raises(ValueError, match="level_0_until <= level_1_until"):
        check_curriculum(CurriculumConfig(level_0_until=0.5, level_1_until=0.3), 2)
    with pytest.raises(ValueError, match="sum to 1"):
        check_curriculum(CurriculumConfig(random_shares=(0.5, 0.2, 0.2)), 2)
    with pytest.raises(ValueError, match="2 shares"):
        check_curriculum(CONFIG, 1)
