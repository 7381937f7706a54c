"""Table 1 or 2 of the paper beside ours: self- and cross-identity reenactment, all of the paper's methods and ours."""

from paper_tables import (
    Evaluated,
    back_end_notes,
    command_of,
    data_note,
    evaluate,
    marked,
    our_cells,
    paper_cells,
    write_table,
)

from omg_jax.evaluation.paper import CROSS_COLUMNS, SELF_COLUMNS, ReenactmentTable
from omg_jax.evaluation.tables import Column, Grid


def reenactment_table(name: str, table: ReenactmentTable, options: Evaluated) -> None:
    """Evaluates by both protocols into runs/NAME, and writes results/NAME.json."""
    by_self, by_cross = (evaluate(options, protocol, options.runs / name / protocol) for protocol in ("self", "cross"))
    columns = [Column(marked(by_self, name), "self") for name in SELF_COLUMNS]
    columns += [Column(marked(by_cross, name), "cross") for name in CROSS_COLUMNS]
    rows = [
        (f"paper: {method}", paper_cells(SELF_COLUMNS + CROSS_COLUMNS, numbers))
        for method, numbers in table.rows.items()
    ] + [
        (f"ours: {method}", our_cells(by_self, method, SELF_COLUMNS) + our_cells(by_cross, method, CROSS_COLUMNS))
        for method in by_self["methods"]
    ]
    differences = [*back_end_notes(by_self, SELF_COLUMNS), *back_end_notes(by_cross, CROSS_COLUMNS)]
    notes = [data_note(by_self, table), *differences, CROSS_NOTE]
    grid = Grid(f"Table {table.number}: reenactment on {table.data}", tuple(columns), tuple(rows), tuple(notes))
    facts = {"data": by_self["data"]["name"], "data_sha256": by_self["data"]["sha256"], "methods": by_self["methods"]}
    write_table(name, command_of(name, options), [grid], facts)


CROSS_NOTE = "In cross-identity reenactment CSIM is to the photo, AED and APD to the driver."
