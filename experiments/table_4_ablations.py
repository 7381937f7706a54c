"""Table 4 of the paper, parts left out, beside ours: results/table_4_ablations.json.

    omg train ablation_no_global ... (and so on; every run leaves a weights file), or train_ablations.py at small scale
    python experiments/table_4_ablations.py full=FILE global=FILE local=FILE refiner=FILE shoulder=FILE --data FOLDER

Needs a weights file of the whole network (full) and one for each part left out, trained alike. A part without a file
has the paper's numbers only; a file of any other name is a row without the paper's. The paper's are of VFHQ; --data
takes any folder of clips or dataset, and without it the public clips take their place. A second table has the change
that each part makes, pair by pair. The evaluations stay in runs/table_4_ablations, with reports.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import tyro
from paper_tables import (
    Evaluated,
    back_end_notes,
    command_of,
    counterpart_key,
    data_note,
    evaluate,
    marked,
    our_cells,
    paper_cells,
    write_table,
)

from omg_jax.evaluation.compare import Comparison, compare, difference_cell
from omg_jax.evaluation.paper import ABLATION_COLUMNS, ABLATIONS, TABLE_1
from omg_jax.evaluation.tables import MISSING, Cell, Column, Grid
from omg_jax.models.weights import read_weights_meta

FULL = "full"
ROWS = {  # names on the command line -> the paper's rows
    "global": "w/o Global Feature",
    "local": "w/o Local Feature",
    "refiner": "w/o Refiner",
    "shoulder": "w/o Shoulder",
    FULL: "whole",
}
NOTHING = (Cell(MISSING),) * len(ABLATION_COLUMNS)


@dataclass
class Options(Evaluated):
    """Networks to evaluate, and on which data."""

    files: tyro.conf.Positional[tuple[str, ...]] = ()
    """NAME=FILE for every network."""
    level: int = 2
    """Level of detail that is shown."""


def main(options: Options) -> None:
    files = dict(given.split("=", 1) for given in options.files)
    if FULL not in files:
        raise SystemExit(f"give the whole network's weights, {FULL}=FILE, and those of the parts left out beside it")
    folders = {name: options.runs / "table_4_ablations" / name for name in files}
    only = ("--levels", str(options.level), "--no-baselines")
    results = {
        name: evaluate(of_weights(options, Path(files[name])), "self", folders[name], *only) for name in files
    }
    method = f"level {options.level}"
    rows = []
    for name in [*ROWS, *(name for name in files if name not in ROWS)]:
        paper = paper_cells(ABLATION_COLUMNS, ABLATIONS[ROWS[name]]) if name in ROWS else NOTHING
        ours = our_cells(results[name], method, ABLATION_COLUMNS) if name in results else NOTHING
        rows.append((ROWS.get(name, name), tuple(cell for both in zip(paper, ours, strict=True) for cell in both)))
    names = [marked(results[FULL], column) for column in ABLATION_COLUMNS]
    columns = tuple(Column(name, who) for name in names for who in ("paper", "ours"))
    notes = (data_note(results[FULL], TABLE_1), *back_end_notes(results[FULL], ABLATION_COLUMNS))
    table = Grid(f"Table 4: parts left out, level {options.level}", columns, tuple(rows), notes)
    keys = [counterpart_key(results[FULL], column) for column in ABLATION_COLUMNS]
    changes = {name: compare(folders[FULL], folders[name]) for name in files if name != FULL}
    command = command_of("table_4_ablations", options, *(f"{name}=FILE" for name in files))
    command += "" if options.level == Options.level else f" --level {options.level}"
    grid = changes_grid(changes, method, keys, tuple(map(Column, names)))
    weights = {name: result["methods"][method]["weights_sha256"] for name, result in results.items()}
    write_table("table_4_ablations", command, [table, grid], {"weights_sha256": weights})


def of_weights(options: Options, path: Path) -> Evaluated:
    """The options for one weights file, which names its preset itself."""
    return dataclasses.replace(options, weights=str(path), preset=read_weights_meta(path).preset)


def changes_grid(
    changes: dict[str, Comparison], method: str, keys: list[str], columns: tuple[Column, ...]
) -> Grid:
    """What leaving each part out changes, pair by pair."""
    rows = []
    for name, comparison in changes.items():
        found = {row.key: row for row in comparison.differences if row.method == method}
        cells = [
            difference_cell(found[key], comparison.metrics[key]) if key in found else Cell(MISSING) for key in keys
        ]
        rows.append((ROWS.get(name, name), tuple(cells)))
    title = "What leaving a part out changes"
    note = "Ours, minus the whole network's, pair by pair, with 95 % intervals. Bold: the interval leaves out 0."
    return Grid(title, columns, tuple(rows), (note,))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
