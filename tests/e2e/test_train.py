"""`omg train` on a plain clip: it learns, it resumes after a kill to the same bits, it refuses what does not fit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from omg_jax.data.clips import save_clip, write_index
from omg_jax.data.portraits.plain import plain_clip
from omg_jax.head.load import load_head
from omg_jax.models.weights import read_weights_meta
from omg_jax.training.records import read_metrics

# One level, so that one program is compiled; whole pictures of both frames in every batch, so that losses compare.
OPTIONS = {
    "batch-size": 2,
    "window": 128,
    "num-steps": 20,
    "learning-rate": 1e-3,
    "warmup-steps": 0,
    "log-every": 1,
    "checkpoint-every": 5,
    "curriculum.level-0-until": 1,
    "curriculum.level-1-until": 1,
}
PATIENCE = 300.0  # seconds that a busy machine may take to reach the first checkpoint


@pytest.fixture(scope="module")
def plain_clips(tmp_path_factory) -> Path:
    root, head = tmp_path_factory.mktemp("plain"), load_head("arkit")
    save_clip(root / "clip_0", plain_clip(head, seed=0, num_frames=2, size=128))
    write_index(root, head.name, head.sha256)
    return root


def arguments(clips: Path, output: Path, **changes) -> list[str]:
    options = OPTIONS | {"data": clips, "output": output} | changes
    return ["train", "tiny", *(str(word) for name, value in options.items() for word in (f"--train.{name}", value))]


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "weights.safetensors")


def test_training_lowers_the_loss_and_says_what_it_made(omg, plain_clips, tmp_path):
    run = omg(*arguments(plain_clips, tmp_path / "run"), "--json")
    assert run.code == 0
    facts = json.loads(run.out)
    assert (facts["steps"], facts["skipped"], facts["finished"]) == (20, 0, True)
    losses = [row["loss"] for row in read_metrics(tmp_path / "run")]
    assert len(losses) == 20
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:2])
    assert read_weights_meta(Path(facts["weights"])).step == 20
    assert list((tmp_path / "run" / "pictures").glob("*.png"))


def test_a_killed_run_resumes_to_the_same_bits(omg, plain_clips, tmp_path, compiled):
    no_pictures = {"picture-every": 100}
    assert omg(*arguments(plain_clips, tmp_path / "whole", **no_pictures)).code == 0
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "omg_jax", *arguments(plain_clips, killed, **no_pictures)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "JAX_COMPILATION_CACHE_DIR": compiled},
    )
    wait_for_checkpoint(killed / "checkpoints", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run = omg(*arguments(plain_clips, killed, **no_pictures))
    assert run.code == 0
    assert "continuing from the checkpoint" in run.err
    whole, resumed = weights(tmp_path / "whole"), weights(killed)
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole.keys() | resumed.keys())


def wait_for_checkpoint(folder: Path, process: subprocess.Popen) -> None:
    """Returns as soon as a checkpoint is finished."""
    deadline = time.monotonic() + PATIENCE
    while not [path for path in folder.glob("*") if path.name.isdigit()]:
        assert process.poll() is None, "training ended before its first checkpoint"
        assert time.monotonic() < deadline, "no checkpoint in time"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": ""}, "--train.data"),
        ({"data": "no/such/folder"}, "index.json"),
        ({"window": 256}, "--train.window"),
        ({"init-weights": "no/such/file"}, "no/such/file"),
    ],
)
def test_what_cannot_be_trained_is_one_line(omg, plain_clips, tmp_path, changes, said):
    run = omg(*arguments(plain_clips, tmp_path / "run", **changes))
    assert run.code == 2
    assert said in run.err
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_clips_of_another_size_are_refused(omg, plain_clips, tmp_path):
    words = arguments(plain_clips, tmp_path / "run")
    words[1] = "small"
    run = omg(*words)
    assert run.code == 2
    assert "128 x 128 pixels, expected 512 x 512" in run.err
