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
    record = {
        "command": command,
        "commit": commit(),
        "device": f"{jax.devices()[0].device_kind}, {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        **_plain(result),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


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
