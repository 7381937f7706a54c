"""Writes a result to experiments/results with what is needed to get it again: command, commit, machine, date."""

import datetime
import json
from pathlib import Path

import numpy as np

from omg_jax.evaluation.circumstances import commit, device

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


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.4g}")
    return int(value) if isinstance(value, np.integer) else value
