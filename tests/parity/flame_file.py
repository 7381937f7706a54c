"""A file of FLAME's structure with made-up numbers (the real one may not be shipped), for tests and references."""

import pickle
from pathlib import Path

import numpy as np
import scipy.sparse

NUM_VERTICES = 5023
NUM_FACES = 9976


def flame_fields(seed: int) -> dict[str, np.ndarray]:
    """The fields of a FLAME file, of the right shapes and of plausible sizes (metres)."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(size=(NUM_VERTICES, 5)) ** 4
    regressor = rng.uniform(size=(5, NUM_VERTICES)) * (rng.uniform(size=(5, NUM_VERTICES)) < 0.01)
    return {
        "v_template": rng.normal(scale=0.08, size=(NUM_VERTICES, 3)),
        "shapedirs": rng.normal(scale=1e-3, size=(NUM_VERTICES, 3, 400)),
        "posedirs": rng.normal(scale=1e-3, size=(NUM_VERTICES, 3, 36)),
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.int64),
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "f": rng.integers(0, NUM_VERTICES, size=(NUM_FACES, 3)).astype(np.uint32),
    }


def write_flame_pickle(path: Path, seed: int) -> None:
    """Writes the fields as the FLAME releases have them: a pickle, its joint regressor sparse."""
    fields = flame_fields(seed)
    fields["J_regressor"] = scipy.sparse.csc_matrix(fields["J_regressor"])
    with Path(path).open("wb") as file:
        pickle.dump(fields | {"bs_style": "lbs", "bs_type": "lrotmin"}, file, protocol=2)


def head_pose(seed: int, count: int) -> dict[str, np.ndarray]:
    """Random parameters: shape 300, expression 100, five rotations (radians), translation (metres)."""
    rng = np.random.default_rng(seed)
    sizes = dict(shape=300, expression=100, root=3, neck=3, jaw=3, left_eye=3, right_eye=3, translation=3)
    scales = dict(shape=1.0, expression=1.0, translation=0.1)
    return {name: rng.normal(scale=scales.get(name, 0.4), size=(count, size)) for name, size in sizes.items()}
