"""The reader of PyTorch checkpoints on files that torch itself wrote."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.models.torch_file import read_torch
from omg_jax.models.torch_state import read_state

FOLDER = Path(__file__).parent
NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)
WANTED = {
    "weight": np.full((2, 3), 0.5, np.float32),
    "bias": np.full(2, -1.0, np.float32),
    "transposed": NUMBERS.T,
    "slice": NUMBERS[1:, ::2],
    "parameter": np.array([3.0, 4.0], np.float32),
    "bfloat16": np.arange(5).astype(jnp.bfloat16),
    "half": np.full((2, 3), 0.25, np.float16),
    "integer": np.array(5),
    "empty": np.zeros((0, 3), np.float32),
}


def test_the_tensors_are_those_that_torch_saved():
    state = read_state(FOLDER / "torch_save.pth")
    assert state.keys() == WANTED.keys()
    for name, array in WANTED.items():
        assert state[name].dtype == array.dtype
        np.testing.assert_array_equal(state[name], array, err_msg=name)


def test_an_object_of_another_class_is_not_made():
    options = read_torch(FOLDER / "torch_save.pth")["options"]
    assert not isinstance(options, dict) and not vars(options)


def test_the_old_format_is_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"before 1\.6.*torch\.save\(torch\.load"):
        read_torch(FOLDER / "torch_save_legacy.pth")
