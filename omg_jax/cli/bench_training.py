"""The training half of ``omg bench``: a case to measure, and the result as tables."""

import os
from typing import Any

from rich.table import Table

from omg_jax.benchmarks.training import measure_drivers, measure_training, stand_in_case
from omg_jax.cli.console import console, print_table, report
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head

CPU_DEVICES = 4  # virtual ones, for the drivers' overhead
DRIVERS_PRESET = "tiny"  # on a CPU, where larger networks would take long and tell no more of drivers


def bench_training(preset: str, repeats: int, as_json: bool) -> None:
    """Measures a preset's training step, and prints tables, or one JSON object."""
    with console.status("measuring"):
        result = measured(preset, repeats)
    if as_json:
        report(result, as_json=True)
        return
    for printed in tables(result):
        print_table(printed)


def measured(preset: str, repeats: int) -> dict[str, Any]:
    """The whole benchmark; call it before anything asks JAX for devices."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={CPU_DEVICES}"
    import jax

    head, on_cpu = load_head("arkit"), jax.default_backend() == "cpu"
    result = measure_training(stand_in_case(load_preset(preset), head), head, repeats)
    drivers = DRIVERS_PRESET if on_cpu else preset
    return result | {"drivers": measure_drivers(stand_in_case(load_preset(drivers), head), repeats)}


def tables(result: dict[str, Any]) -> list[Table]:
    """Whole steps and parts, drivers, and other devices' floors."""
    title = f"{result['preset']}, {result['device']}, {result['precision']}, batch of {result['batch_size']}"
    stages = {f"step, {name}": step for name, step in result["steps"].items()}
    for part, passes in result["parts"].items():
        stages |= {f"{part}, {name}": measured for name, measured in passes.items()}
    columns = list(next(iter(stages.values())))
    printed = Table("stage", *(name.replace("_", " ") for name in columns), title=title)
    for name, measured in stages.items():
        printed.add_row(name, *(f"{measured[column]:.4g}" for column in columns))
    printed.add_row("loading a batch, one thread", f"{result['data']['wall_ms']:.4g} (wall)")
    printed.add_row("step with --train.remat, memory MB", f"{result['with remat']['memory_mb']:.4g}")
    return [printed, rows_table("drivers", result["drivers"]), rows_table("floors", floor_rows(result["floors"]))]


def floor_rows(floors: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """One row per GPU."""
    return [{"GPU": name, **values} for name, values in floors.items()]


def rows_table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Rows that share their names."""
    table = Table(*(name.replace("_", " ") for name in rows[0]), title=title)
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table
