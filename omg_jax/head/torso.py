"""A torso among the arrays of a file: motions, clips and datasets name its parts alike."""

from collections.abc import Mapping

import numpy as np

from omg_jax.types import Torso

TORSO_NAMES = tuple(f"torso_{name}" for name in Torso._fields)


def torso_arrays(torso: Torso | None) -> dict[str, np.ndarray]:
    """The arrays of a torso by the names that they have in files; none where there is no torso."""
    return {} if torso is None else dict(zip(TORSO_NAMES, torso, strict=True))


def torso_of(arrays: Mapping[str, np.ndarray]) -> Torso | None:
    """The torso among a file's arrays; None where it is not there, KeyError where half of it is."""
    return Torso(*(arrays[name] for name in TORSO_NAMES)) if arrays.keys() & set(TORSO_NAMES) else None
