"""From the rows of every pair to what an evaluation says: results.json and frames.csv."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from omg_jax.evaluation.intervals import mean_interval
from omg_jax.evaluation.metrics import Metric
from omg_jax.evaluation.read import FORMAT
from omg_jax.files import replacing

DIGITS = 6  # significant ones of every number that is written
Rows = list[dict[str, float | None]]
"""A value of every metric, for each frame."""


def six_digits(value: float | None) -> float | None:
    """Rounded to DIGITS significant digits."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def summarise(
    protocol: dict[str, Any],
    data: dict[str, Any],
    methods: dict[str, dict[str, str]],
    metrics: tuple[Metric, ...],
    back_ends: dict[str, str],
    rows: dict[str, dict[str, Rows]],
) -> dict[str, Any]:
    """results.json: means over pairs of the mean over a pair's frames, with intervals.

    methods: what tells each; back_ends: what computed each metric; rows: of every pair and method. Metrics that compare
    with a target are left out where the protocol has none.
    """
    kept = [metric for metric in metrics if protocol["name"] == "self" or not metric.needs_target]
    pairs = {
        pair: {
            method: {metric.key: pair_mean(frames, metric.key) for metric in kept}
            for method, frames in of_methods.items()
        }
        for pair, of_methods in rows.items()
    }
    return {
        "format": FORMAT,
        "protocol": protocol,
        "data": data,
        "methods": methods,
        "metrics": {metric.key: describe(metric, back_ends[metric.key]) for metric in kept},
        "results": {
            method: {metric.key: summarise_metric(metric, [of[method] for of in rows.values()]) for metric in kept}
            for method in methods
        },
        "pairs": pairs,
    }


def describe(metric: Metric, back_end: str) -> dict[str, Any]:
    """A metric's entry in results.json."""
    fields = ("title", "unit", "higher_is_better", "decimals", "formula")
    return {field: getattr(metric, field) for field in fields} | {"back_end": back_end}


def pair_mean(rows: Rows, key: str) -> float | None:
    """The mean over the frames that have a value; None where none has."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return six_digits(float(np.mean(values))) if values else None


def summarise_metric(metric: Metric, pairs: list[Rows]) -> dict[str, Any]:
    """One number of one method: its mean over pairs, interval, and what it was taken over.

    missed: in how many frames no face was found, by a metric that needs one.
    """
    means = [mean for mean in (pair_mean(rows, metric.key) for rows in pairs) if mean is not None]
    values = [row.get(metric.key) for rows in pairs for row in rows]
    found = sum(value is not None for value in values)
    interval = mean_interval(means)._asdict() if means else {"mean": None, "low": None, "high": None}
    interval = {name: six_digits(value) for name, value in interval.items()}
    return {**interval, "pairs": len(means), "frames": found, "missed": len(values) - found if metric.of_face else 0}


def write_frames(path: Path, keys: list[str], numbers: dict[str, list[int]], rows: dict[str, dict[str, Rows]]) -> None:
    """frames.csv: a line for every pair, method and frame; empty where there is no value."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["pair", "method", "frame", *keys])
        for pair, of_methods in rows.items():
            for method, frames in of_methods.items():
                for number, row in zip(numbers[pair], frames, strict=True):
                    values = (row.get(key) for key in keys)
                    lines.writerow([pair, method, number, *("" if v is None else f"{v:.{DIGITS}g}" for v in values)])
