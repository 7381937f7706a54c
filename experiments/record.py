"""Writes a result to experiments/results with what is needed to get it again: command, commit, machine, date."""

import datetime
import json
import platform
import subprocess
from pathlib import Path

import jax
import numpy as np

RESULTS = Path(__file__).parent / "results"


def write_result(name: str, command: str, result: dict) -> dict:
    """Saves `result` as results/NAME.json, numpy numbers as plain ones with four digits; returns what was saved.

    command is what a reader types, with placeholders for paths of their own.
    """
    head = {
        "command": command,
        "commit": commit(),
        "device": device(),
        "date": datetime.date.today().isoformat(),
    }
    record = head | _plain(result) | head
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def device() -> str:
    """What JAX computes on: the GPU's name, or the processor's."""
    return cpu_model() if jax.default_backend() == "cpu" else jax.devices()[0].device_kind


def cpu_model() -> str:
    """What /proc/cpuinfo calls the processor; its architecture where there is no such file."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """The commit that is checked out; "unknown" where the tree is a copy without git."""
    try:
        command = ["git", "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.4g}")
    return int(value) if isinstance(value, np.integer) else value
