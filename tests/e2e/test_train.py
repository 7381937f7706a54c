"""``omg train`` from the command line: it writes weights, and a killed run continues to the same bits."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from omg_jax.data.clips import save_clip, write_index
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.models.weights import read_weights_meta
from tests.unit.training.conftest import smooth_clip

NUM_CLIPS, NUM_FRAMES = 2, 3
PATIENCE = 300  # seconds until the first checkpoint must be there


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A dataset of balls: enough for the code, nothing to learn."""
    root, head = tmp_path_factory.mktemp("clips"), load_head("arkit")
    for seed in range(NUM_CLIPS):
        params = zero_params(head.model, (NUM_FRAMES,))
        save_clip(root / f"clip_{seed}", smooth_clip(seed, NUM_FRAMES)._replace(head_params=params))
    write_index(root, head.name, head.sha256)
    return root


def options(clips: Path, output: Path) -> list[str]:
    """Four steps at level 0, with a checkpoint in the middle."""
    values = {
        "data": clips,
        "output": output,
        "num-steps": 4,
        "checkpoint-every": 2,
        "picture-every": 100,
        "curriculum.level-0-until": 1.0,
        "curriculum.level-1-until": 1.0,
    }
    return ["train", "tiny", *(text for name, value in values.items() for text in (f"--train.{name}", str(value)))]


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """The processes share their compiled programs: only the first spends the time."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1"}
    return os.environ | cache


def finished_run(arguments: list[str], environment: dict[str, str]) -> dict:
    """What a training that runs to its end reports."""
    command = [sys.executable, "-m", "omg_jax", *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kill_after_first_checkpoint(arguments: list[str], environment: dict[str, str], checkpoint: Path) -> None:
    """Runs a training in a process of its own and kills it once this checkpoint lies on the disk."""
    command = [sys.executable, "-m", "omg_jax", *arguments]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not checkpoint.is_dir() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


def test_a_killed_training_continues_to_the_same_weights(clips, environment, tmp_path):
    whole = finished_run(options(clips, tmp_path / "whole"), environment)
    assert whole["finished"] and whole["steps"] == 4
    assert read_weights_meta(whole["weights"]).preset == "tiny"

    checkpoint = tmp_path / "killed" / "checkpoints" / "2"
    kill_after_first_checkpoint(options(clips, tmp_path / "killed"), environment, checkpoint)
    assert checkpoint.is_dir()
    resumed = finished_run(options(clips, tmp_path / "killed"), environment)
    assert Path(resumed["weights"]).read_bytes() == Path(whole["weights"]).read_bytes()


def test_training_without_clips_is_refused(omg, tmp_path):
    run = omg("train", "tiny", "--train.output", tmp_path / "run")
    assert run.code == 2
    assert "--train.data" in run.err
    assert not (tmp_path / "run").exists()
