"""The GPU check without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", ["build", "peers"])
def test_a_part_says_in_one_line_why_it_is_skipped(part):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "experiments" / "gpu_check.py", part]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"gpu-check {part}: skipped, jax finds no GPU")
    assert ran.stdout.count("\n") == 1
