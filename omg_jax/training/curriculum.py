"""Which level of detail a training step renders (supplement 8.2): coarse first, then a random level."""

import numpy as np

from omg_jax.config import CurriculumConfig

# Keeps these draws apart from the ones that choose frames and windows from the same (seed, step).
_STREAM = 0x10D


def level_at(config: CurriculumConfig, num_steps: int, seed: int, step: int) -> int:
    """The level of detail of ``step`` in a run of ``num_steps``: a pure function of its arguments.

    Level 0 for the first share of the run, level 1 for the next, then a random level with shares ``random_shares``.
    """
    progress = step / num_steps
    if progress < config.level_0_until:
        return 0
    if progress < config.level_1_until:
        return 1
    draw = np.random.default_rng([seed, _STREAM, step]).random()
    return int(np.searchsorted(np.cumsum(config.random_shares[:-1]), draw, side="right"))


def levels_ahead(config: CurriculumConfig, num_steps: int, first: int) -> list[int]:
    """The levels of detail that steps ``first`` to ``num_steps - 1`` of a run may have."""
    levels = {lod for lod, share in enumerate(config.random_shares) if share > 0 and config.level_1_until < 1.0}
    if first < config.level_0_until * num_steps:
        levels.add(0)
    if first < config.level_1_until * num_steps and config.level_0_until < config.level_1_until:
        levels.add(1)
    return sorted(levels)


def check_curriculum(config: CurriculumConfig, num_levels: int) -> None:
    """Raises ValueError where the curriculum's shares are not a schedule over levels 0 to ``num_levels``."""
    if not 0.0 <= config.level_0_until <= config.level_1_until <= 1.0:
        raise ValueError(
            "the curriculum's bounds must satisfy 0 <= level_0_until <= level_1_until <= 1, got "
            f"{config.level_0_until} and {config.level_1_until}; they are shares of all steps"
        )
    shares = config.random_shares
    if min(shares) < 0.0 or not np.isclose(sum(shares), 1.0) or len(shares) != num_levels + 1:
        raise ValueError(
            f"the curriculum's random_shares must be {num_levels + 1} shares (levels 0 to {num_levels}) that sum to 1, "
            f"got {shares}"
        )
