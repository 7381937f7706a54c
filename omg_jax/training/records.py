"""What a run writes down: one line per logged step, as JSON lines and as CSV, and the options it ran with."""

import contextlib
import csv
import dataclasses
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from omg_jax.config import Config
from omg_jax.files import replacing
from omg_jax.memory import peak_memory

METRICS = "metrics"  # metrics.jsonl and metrics.csv
CONFIG_NAME, ENVIRONMENT_NAME = "config.json", "environment.json"
PACKAGES = ("omg_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")

Row = dict[str, float | int | None]
Tree = Any  # nested arrays


class Meter:
    """Means over the steps since the last logged row, and how long they took.

    collect: a driver's; gives a step's metrics once they are computed. Until a row is logged nothing waits for them.
    """

    def __init__(self, collect: Callable[[Tree], Tree]) -> None:
        self._collect = collect
        self.skipped_in_row = 0  # steps without a finite loss and gradient, up to the last one that means() saw
        self.restart()

    def restart(self) -> None:
        """Forgets what was measured since the last row."""
        self._rows: list[tuple[int, dict[str, Array | float]]] = []
        self._waited, self._since = 0.0, time.perf_counter()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Times what the step waits for its batch."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    def add(self, lod: int, metrics: dict[str, Array | float]) -> None:
        """Takes one step's level of detail and its metrics, which may still be being computed."""
        self._rows.append((lod, metrics))

    def means(self, batch_size: int) -> Row:
        """Means over the steps since the last call whose loss was finite; seconds, rates and memory.

        Where no step's loss was finite, what is not a number is None: null in JSON lines, empty in CSV. seconds is one
        step's, seconds_waiting its part of waiting for data.
        """
        collected = [{"lod": lod, **self._collect(metrics)} for lod, metrics in self._rows]
        all_rows = [{name: float(value) for name, value in row.items()} for row in collected]
        for row in all_rows:
            healthy = np.isfinite(row["loss"]) and np.isfinite(row.get("gradient_norm", 0.0))
            self.skipped_in_row = 0 if healthy else self.skipped_in_row + 1
        rows = [row for row in all_rows if np.isfinite(row["loss"])] or all_rows
        count = len(all_rows)
        seconds, waited = (time.perf_counter() - self._since) / count, self._waited / count
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        means = {name: mean if np.isfinite(mean) else None for name, mean in means.items()}
        means |= {"seconds": seconds, "seconds_waiting": waited, "steps_per_second": 1.0 / seconds}
        means |= {"pairs_per_second": batch_size / seconds, **peak_memory()}
        self.restart()
        return means


class MetricLog:
    """Appends rows of numbers to NAME.jsonl and NAME.csv of a run's folder.

    Rows of more than ``steps_done`` steps, left by a run that was killed after its last checkpoint, are dropped first.
    """

    def __init__(self, folder: Path, steps_done: int, name: str = METRICS):
        self._jsonl, self._csv = (Path(folder) / f"{name}.{ending}" for ending in ("jsonl", "csv"))
        rows = [row for row in read_metrics(folder, name) if row["step"] <= steps_done]
        with replacing(self._jsonl) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with replacing(self._csv) as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [])
            if rows:
                writer.writeheader()
                writer.writerows(rows)

    def write(self, row: Row) -> None:
        """Appends one row; all rows of a run have the same names."""
        with self._jsonl.open("a") as file:
            file.write(json.dumps(row) + "\n")
        with self._csv.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


def read_metrics(folder: Path, name: str = METRICS) -> list[Row]:
    """The rows of a run's NAME.jsonl, without a last line that a killed process left unfinished."""
    path = Path(folder) / f"{name}.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def write_config(folder: Path, config: Config) -> None:
    """Writes every option of the run to config.json, and what it runs on to environment.json."""
    for name, values in ((CONFIG_NAME, dataclasses.asdict(config)), (ENVIRONMENT_NAME, environment())):
        with replacing(Path(folder) / name) as path:
            path.write_text(json.dumps(values, indent=2) + "\n")


def environment() -> dict[str, Any]:
    """Versions, devices and settings that a run's numbers may depend on."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "devices": [device.device_kind for device in jax.devices()],
        "processes": jax.process_count(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _version(package: str) -> str | None:
    """None where it runs from a tree without being installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
