"""Results as tables, in Markdown and LaTeX: all methods, regions, and the paper's numbers beside ours.

A table is first a ``Grid`` of formatted cells; the report draws the same grids in HTML.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from omg_jax.evaluation.intervals import ENOUGH_PAIRS
from omg_jax.evaluation.paper import COUNTERPARTS, DECIMALS, LEVELS, table_of
from omg_jax.evaluation.read import load_results
from omg_jax.files import replacing

PROTOCOL_TITLES = {"self": "Self-reenactment", "cross": "Cross-identity reenactment"}
REGION_PREFIX = "psnr_"
MISSING = "–"
_LATEX = {"\\": r"\textbackslash{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "×": r"$\times$"} | {
    sign: f"\\{sign}" for sign in "&%$#_{}"
} | {"^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}


class Cell(NamedTuple):
    """A number of a table, formatted; interval is empty where there is none; best in its column."""

    value: str
    interval: str = ""
    best: bool = False


class Column(NamedTuple):
    """A column's name, and what stands below it: unit and the better direction, or a group's member."""

    name: str
    detail: str = ""


class Grid(NamedTuple):
    """A table: its title, columns but for the first, rows of a name and as many cells, and notes for below."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...]


def write_tables(folder: Path | str) -> None:
    """Writes tables.md and tables.tex into an evaluation's folder, from its results.json; ValueError without one."""
    results = load_results(folder)
    for name, text in (("tables.md", markdown(results)), ("tables.tex", latex(results))):
        with replacing(Path(folder) / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def grids(results: dict[str, Any]) -> list[Grid]:
    """The tables of an evaluation's results: all methods, the regions of the picture, ours beside the paper's.

    The last two are there where the results have something to put into them.
    """
    regions = region_keys(results)
    whole = [key for key in results["metrics"] if key not in regions]
    tables = [methods_grid(results, whole, title_of(results), (averaging_note(results), *missed_notes(results)))]
    if regions:
        tables.append(methods_grid(results, regions, "Regions of the picture", ()))
    return [table for table in (*tables, paper_grid(results)) if table.columns]


def region_keys(results: dict[str, Any]) -> list[str]:
    """Keys of the metrics that look at a region of the picture."""
    return [key for key in results["metrics"] if key.startswith(REGION_PREFIX)]


def title_of(results: dict[str, Any]) -> str:
    """What was evaluated, in a line."""
    data, protocol = results["data"], PROTOCOL_TITLES[results["protocol"]["name"]]
    return f"{protocol} on {data['name']}: {count(data['pairs'], 'pair')}, {count(data['frames'], 'frame')}"


def count(number: int, what: str) -> str:
    """ "1 pair", "2 pairs"."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def averaging_note(results: dict[str, Any]) -> str:
    """How a number comes about."""
    mean = "Means over pairs of the mean over a pair's frames"
    if results["data"]["pairs"] == 1:
        return f"{mean}; one pair has no interval."
    note = f"{mean}, with 95 % intervals of a bootstrap over pairs. Bold: the best of a column."
    if results["protocol"]["name"] == "cross":
        note += " Every clip is in two pairs, which the intervals take for independent."
    if results["data"]["pairs"] < ENOUGH_PAIRS:
        note += " Of so few pairs an interval is too narrow."
    return note


def missed_notes(results: dict[str, Any]) -> list[str]:
    """In how many frames a metric of faces has no value, by method."""
    notes = []
    for method, measured in results["results"].items():
        missed = [f"{row['missed']} for {metric_name(results, key)}" for key, row in measured.items() if row["missed"]]
        if missed:
            notes.append(
                f"Frames of {method} without a value, as no face was found in the picture or in what it is compared "
                f"with: {list_of(missed)}."
            )
    return notes


def list_of(items: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def metric_name(results: dict[str, Any], key: str) -> str:
    """A metric's title."""
    return results["metrics"][key]["title"]


def metric_column(metric: dict[str, Any]) -> Column:
    """A metric's title, its unit, and an arrow that points to better."""
    arrow, unit = "↑" if metric["higher_is_better"] else "↓", metric["unit"]
    return Column(metric["title"], f"({unit}) {arrow}" if unit else arrow)


def methods_grid(results: dict[str, Any], keys: list[str], title: str, notes: Iterable[str]) -> Grid:
    """A row for every method, a column for every metric; a metric that no method has a value of is left out."""
    metrics, table = results["metrics"], results["results"]
    means = {key: [table[method][key]["mean"] for method in table if key in table[method]] for key in keys}
    keys = [key for key in keys if any(mean is not None for mean in means[key])]
    best = {key: best_text(means[key], metrics[key]) for key in keys}

    def cell(row: dict[str, Any] | None, key: str) -> Cell:
        made = number_cell(row, metrics[key]["decimals"])
        return made._replace(best=len(table) > 1 and made.value == best[key])

    rows = tuple((method, tuple(cell(measured.get(key), key) for key in keys)) for method, measured in table.items())
    return Grid(title, tuple(metric_column(metrics[key]) for key in keys), rows, tuple(notes))


def best_text(means: list[float | None], metric: dict[str, Any]) -> str:
    """The best mean, as it is printed: methods whose print is the same are as good."""
    pick = max if metric["higher_is_better"] else min
    return f"{pick(mean for mean in means if mean is not None):.{metric['decimals']}f}"


def number_cell(row: dict[str, Any] | None, decimals: int) -> Cell:
    """A mean with its interval, from a row of results.json."""
    if row is None or row["mean"] is None:
        return Cell(MISSING)
    interval = ""
    if row["low"] is not None:
        interval = f"{row['low']:.{decimals}f}, {row['high']:.{decimals}f}"
    return Cell(f"{row['mean']:.{decimals}f}", interval)


def paper_grid(results: dict[str, Any]) -> Grid:
    """A row for every metric that the paper has too; for every method that it measured, the paper's column and ours.

    Columns are empty where no method or no metric of the results is the paper's. Metrics that the paper computed
    otherwise bear a mark, and the notes tell what differs.
    """
    protocol, (table, is_same_data) = results["protocol"]["name"], table_of(results["data"]["name"])
    published, counterparts = table.columns(protocol), COUNTERPARTS[protocol]
    rows_of = {method: LEVELS.get(method, method) for method in results["results"]}
    methods = [method for method, row in rows_of.items() if row in published]
    differences: dict[str, int] = {}
    rows = []
    for key, metric in results["metrics"].items():
        if key not in counterparts:
            continue
        column, differs = counterparts[key]
        mark = ""
        if differs:
            mark = f" [{differences.setdefault(differs, len(differences) + 1)}]"
        cells = []
        for method in methods:
            paper = Cell(f"{published[rows_of[method]][column]:.{DECIMALS[column]}f}")
            cells += [paper, number_cell(results["results"][method].get(key), metric["decimals"])]
        name = " ".join(metric_column(metric)).strip()
        rows.append((f"{name}{mark}", tuple(cells)))
    columns = [Column(method, who) for method in methods for who in (f"paper, {table.data}", "ours")] if rows else []
    whose = f"The paper's numbers: Table {table.number}, {table.data}, {table.clips} x {table.frames_per_clip} frames."
    if not is_same_data:
        whose += f" Ours are of other data ({results['data']['name']}): the two do not compare directly."
    notes = [whose, *(f"[{number}] {text}." for text, number in differences.items())]
    return Grid("Beside the paper", tuple(columns), tuple(rows), tuple(notes))


def markdown(results: dict[str, Any]) -> str:
    """All tables of results.json, as Markdown."""
    return "\n".join(markdown_grid(grid) for grid in grids(results))


def markdown_grid(grid: Grid) -> str:
    """A heading, a table and notes, as Markdown."""
    notes = "".join(f"\n{note}\n" for note in grid.notes)
    return f"### {grid.title}\n\n{markdown_table(grid)}\n{notes}"


def markdown_table(grid: Grid) -> str:
    """The table alone, as Markdown."""
    lines = [["", *(" ".join(column).strip() for column in grid.columns)], ["---"] * (len(grid.columns) + 1)]
    lines += [[name, *map(_markdown_cell, cells)] for name, cells in grid.rows]
    return "\n".join("| " + " | ".join(text.replace("|", r"\|") for text in line) + " |" for line in lines)


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    return f"{value} [{cell.interval}]" if cell.interval else value


def latex(results: dict[str, Any]) -> str:
    """All tables of results.json, as LaTeX."""
    return "% needs \\usepackage{booktabs, adjustbox}\n\n" + "\n".join(latex_grid(grid) for grid in grids(results))


def latex_grid(grid: Grid) -> str:
    """A table environment with its title as the caption and the notes below, as LaTeX; needs booktabs and adjustbox."""
    header = [" & ".join(["", *(_tex(part) for part in parts)]) + r" \\" for parts in zip(*grid.columns, strict=True)]
    body = [" & ".join([_tex(name), *map(_latex_cell, cells)]) + r" \\" for name, cells in grid.rows]
    notes = [rf"\par\smallskip\footnotesize {_tex(note)}" for note in grid.notes]
    lines = [
        r"\begin{table*}", r"\centering", rf"\caption{{{_tex(grid.title)}}}",
        r"\begin{adjustbox}{max width=\textwidth}", rf"\begin{{tabular}}{{l{'r' * len(grid.columns)}}}",
        r"\toprule", *header, r"\midrule", *body, r"\bottomrule",
        r"\end{tabular}", r"\end{adjustbox}", *notes, r"\end{table*}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _latex_cell(cell: Cell) -> str:
    value = rf"\textbf{{{_tex(cell.value)}}}" if cell.best else _tex(cell.value)
    return rf"{value} {{\scriptsize [{cell.interval}]}}" if cell.interval else value


def _tex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)
