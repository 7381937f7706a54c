"""What the scripts of the paper's tables share: evaluations, rows of "paper" and "ours", and writing them down."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from record import RESULTS, write_result

from omg_jax.evaluation.paper import COUNTERPARTS, DECIMALS, ReenactmentTable, table_of
from omg_jax.evaluation.read import load_results
from omg_jax.evaluation.tables import Cell, Column, Grid, count, markdown_grid, number_cell

RUNS = Path(__file__).parents[1] / "runs"
PUBLIC = "public"


@dataclass
class Evaluated:
    """What a table evaluates, and on which data."""

    data: str = PUBLIC
    """Folder of a dataset or of clips; "public": three clips that everyone can fetch, in place of the paper's data."""
    weights: str = "shipped"
    """Weights file; "shipped": the one that ships with the preset."""
    preset: str = "small"
    """The network's preset."""
    head: str = "arkit"
    """Head model of the weights and the data: arkit, or flame:PATH."""
    max_pairs: int | None = None
    """Only so many pairs."""
    max_frames: int | None = None
    """Only so many driver frames of a pair."""
    shoulders: Literal["tracked", "still", "follow"] = "tracked"
    """tracked moves them as the driver's torso; follow turns them with the head, as the paper does."""
    metrics: tuple[str, ...] = ()
    """Keys of the metrics, where others than the default are wanted: lpips_squeeze is the paper's LPIPS."""
    arcface: Path | None = None
    """ArcFace weights (ONNX), for the paper's CSIM."""
    runs: Path = RUNS
    """Folder for the evaluations; other data or weights than before need another one."""


def evaluate(options: Evaluated, protocol: str, folder: Path, *more: str) -> dict[str, Any]:
    """Runs ``omg evaluate`` (an interrupted one goes on), and returns its results.json; more: of its options."""
    given = [*more, "--protocol", protocol, "--data", options.data, "--preset", options.preset, "--head", options.head]
    given += ["--shoulders", options.shoulders]
    given += ["--metrics", *options.metrics] if options.metrics else []
    for name in ("max_pairs", "max_frames", "arcface"):
        value = getattr(options, name)
        given += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    command = [sys.executable, "-m", "omg_jax", "evaluate", options.weights, *given, "-o", str(folder)]
    if subprocess.run(command).returncode:
        raise SystemExit(f"stopped: the evaluation in {folder} did not come to its end")
    return load_results(folder)


def command_of(script: str, options: Evaluated, *arguments: str) -> str:
    """What a reader types for the same numbers."""
    words = ["python", f"experiments/{script}.py", *arguments]
    words += [] if options.data == PUBLIC else ["--data", "FOLDER"]
    words += [] if options.weights == "shipped" else ["--weights", "FILE"]
    words += [] if options.head == "arkit" else ["--head", "flame:PATH"]
    words += [] if options.arcface is None else ["--arcface", "FILE"]
    words += ["--metrics", *options.metrics] if options.metrics else []
    for name in ("preset", "max_pairs", "max_frames", "shoulders"):
        if getattr(options, name) != getattr(Evaluated, name):
            words += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    return " ".join(words)


def write_table(name: str, command: str, grids: list[Grid], facts: dict[str, Any] | None = None) -> None:
    """Writes results/NAME.json with the tables as they are printed, and prints them; README takes them from there."""
    write_result(name, command, {**(facts or {}), "tables": [grid_to_json(grid) for grid in grids]})
    print("\n".join(markdown_grid(grid) for grid in grids))


def load_result(name: str) -> dict[str, Any]:
    """A result that another script left."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: the help of this script says what makes it")
    return json.loads(path.read_text())


def grid_to_json(grid: Grid) -> dict[str, Any]:
    """A grid as JSON values."""
    rows = [[name, *(list(cell) for cell in cells)] for name, cells in grid.rows]
    return {
        "title": grid.title,
        "columns": [list(column) for column in grid.columns],
        "rows": rows,
        "notes": grid.notes,
    }


def grid_from_json(content: dict[str, Any]) -> Grid:
    """The inverse of grid_to_json."""
    rows = tuple((name, tuple(Cell(*cell) for cell in cells)) for name, *cells in content["rows"])
    columns = tuple(Column(*column) for column in content["columns"])
    return Grid(content["title"], columns, rows, tuple(content["notes"]))


def counterpart_key(results: dict[str, Any], column: str) -> str | None:
    """Our metric for a column of the paper: the one computed as the paper's if it was measured, else another one."""
    found = COUNTERPARTS[results["protocol"]["name"]]
    keys = [key for key in results["metrics"] if key in found and found[key].column == column]
    return min(keys, key=lambda key: bool(found[key].differs), default=None)


def paper_cells(columns: tuple[str, ...], numbers: tuple[float, ...]) -> tuple[Cell, ...]:
    """Numbers of the paper under its columns."""
    return tuple(Cell(f"{number:.{DECIMALS[column]}f}") for column, number in zip(columns, numbers, strict=True))


def our_cells(results: dict[str, Any], method: str, columns: tuple[str, ...]) -> tuple[Cell, ...]:
    """A method's numbers under the paper's columns, with intervals."""
    measured = results["results"][method]
    rows = [measured.get(counterpart_key(results, column)) for column in columns]
    return tuple(number_cell(row, DECIMALS[column]) for row, column in zip(rows, columns, strict=True))


def back_end_notes(results: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    """What of our columns was computed otherwise than the paper's; such columns are marked (marked)."""
    found, notes = COUNTERPARTS[results["protocol"]["name"]], []
    for column in columns:
        key = counterpart_key(results, column)
        if key and found[key].differs:
            name = f"{column}*, {results['protocol']['name']}"
            notes.append(f"{name}: ours is {results['metrics'][key]['title']}; {found[key].differs}.")
    return notes


def marked(results: dict[str, Any], column: str) -> str:
    """The paper's column, with a star where ours was computed otherwise (back_end_notes)."""
    key = counterpart_key(results, column)
    return f"{column}*" if key and COUNTERPARTS[results["protocol"]["name"]][key].differs else column


def data_note(results: dict[str, Any], table: ReenactmentTable) -> str:
    """On which data the two halves of a table were measured."""
    data = results["data"]
    ours = f"Ours on {data['name']}: {count(data['pairs'], 'pair')}, {count(data['frames'], 'frame')}"
    if table_of(data["name"]) == (table, True):
        return f"{ours}."
    return f"{ours}. {table.data} was not at hand, so that the paper's numbers and ours do not compare directly."
