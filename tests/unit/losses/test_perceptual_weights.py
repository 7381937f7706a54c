"""Reading the LPIPS weights files, and refusing what they must not hold."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from omg_jax.losses.perceptual_weights import load_perceptual


def weights_tree() -> dict:
    """A file's contents with AlexNet's names; every array holds its own number."""
    layers = {f"Conv_{k}": {"kernel": np.full((1, 1, 2, 3), k), "bias": np.full(3, k)} for k in range(5)}
    heads = {f"NetLinLayer_{k}": {"Conv_0": {"kernel": np.full((1, 1, 3, 1), 10 + k)}} for k in range(5)}
    return {"AlexNet_0": layers, **heads}


def write(path: Path, tree: object) -> Path:
    path.write_bytes(pickle.dumps(tree))
    return path


def test_arrays_come_in_the_network_s_order(tmp_path):
    params = load_perceptual(write(tmp_path / "weights.ckpt", weights_tree()))
    assert [int(layer.kernel[0, 0, 0, 0]) for layer in params.convolutions] == list(range(5))
    assert [int(head[0]) for head in params.heads] == list(range(10, 15))
    assert params.heads[0].shape == (3,)


def test_a_pickle_that_would_run_something_is_refused_unrun(tmp_path):
    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = write(tmp_path / "weights.ckpt", weights_tree() | {"extra": Runs()})
    with pytest.raises(ValueError, match="mkdir, which is not an array"):
        load_perceptual(path)
    assert not (tmp_path / "ran").exists()


def test_other_files_are_refused(tmp_path):
    whole = write(tmp_path / "weights.ckpt", weights_tree())
    (tmp_path / "cut.ckpt").write_bytes(whole.read_bytes()[:200])
    (tmp_path / "text.ckpt").write_text("hello\n")
    lacking = weights_tree()
    del lacking["AlexNet_0"]["Conv_3"]
    write(tmp_path / "lacking.ckpt", lacking)
    write(tmp_path / "other.ckpt", {"ResNet_0": {}})
    for name, complaint in {
        "absent": "no perceptual weights at",
        "cut": "is the file complete",
        "text": "is the file complete",
        "lacking": "lacks the array 'Conv_3'",
        "other": "holds neither of",
    }.items():
        with pytest.raises(ValueError, match=complaint):
            load_perceptual(tmp_path / f"{name}.ckpt")
