"""The GPU check without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import gpu_check

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", ["build", "peers"])
def test_a_part_says_in_one_line_why_it_is_skipped(part):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "experiments" / "gpu_check.py", part]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"gpu-check {part}: skipped, jax finds no GPU")
    assert ran.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("tool", "result", "passes"),
    [
        ("memcheck", dict(reports=0, in_our_kernels=0), True),
        ("memcheck", dict(reports=1, in_our_kernels=0), False),
        ("racecheck", dict(reports=3, in_our_kernels=0), True),
        ("racecheck", dict(reports=3, in_our_kernels=1), False),
        ("synccheck", dict(did_not_finish="stopped after 90 s", status=124), False),
    ],
)
def test_a_sanitizer_that_did_not_finish_is_no_proof(tool, result, passes):
    assert gpu_check.passes(tool, result) == passes


def test_a_command_that_takes_too_long_leaves_nothing_behind(tmp_path):
    started = tmp_path / "pid"
    status, printed = gpu_check.run_text("sh", "-c", f"sleep 60 & echo $! > {started}; wait", seconds=1.0)
    assert status == 124 and "stopped after 1 s" in printed
    child = Path("/proc") / started.read_text().strip() / "stat"
    assert not child.exists() or child.read_text().split()[2] == "Z"
