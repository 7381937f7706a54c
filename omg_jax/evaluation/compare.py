"""Two evaluations side by side, pair by pair."""

from pathlib import Path
from typing import Any, NamedTuple

from omg_jax.evaluation.intervals import ENOUGH_PAIRS, Interval, paired_difference
from omg_jax.evaluation.protocol import FREE_FIELDS
from omg_jax.evaluation.read import load_results
from omg_jax.evaluation.tables import Cell, Column, Grid, metric_column


class Difference(NamedTuple):
    """A method's metric in two evaluations, over the pairs that have a value in both.

    difference: the second minus the first, pair by pair, with its interval.
    """

    method: str
    key: str
    mean_a: float
    mean_b: float
    difference: Interval
    pairs: int


class Comparison(NamedTuple):
    """All common methods and metrics of two evaluations; metrics: key -> title, unit, ... as in results.json."""

    metrics: dict[str, dict[str, Any]]
    differences: tuple[Difference, ...]


def compare(folder_a: Path | str, folder_b: Path | str) -> Comparison:
    """The common methods and metrics of two evaluations' folders, with the second minus the first, pair by pair.

    ValueError where protocols or data differ, a metric was computed otherwise, or nothing is common.
    """
    folders, (a, b) = (folder_a, folder_b), map(load_results, (folder_a, folder_b))
    common = set(a["pairs"]) & set(b["pairs"])
    _check_equal("protocol", *(_without(results["protocol"]) for results in (a, b)), folders)
    _check_equal("data", *(_common_data(results["data"], common) for results in (a, b)), folders)
    metrics = {key: metric for key, metric in a["metrics"].items() if key in b["metrics"]}
    for key, metric in metrics.items():
        _check_equal(f"metric {key}", metric, b["metrics"][key], folders)
    found = [
        _difference(a["pairs"], b["pairs"], method, key)
        for method in a["methods"]
        if method in b["methods"]
        for key in metrics
    ]
    differences = tuple(difference for difference in found if difference is not None)
    if not differences:
        raise ValueError(
            f"{folder_a} and {folder_b} have no method with a common pair and metric: they hold "
            f"{', '.join(a['methods'])}, and {', '.join(b['methods'])}; name methods alike (--name) to compare them"
        )
    return Comparison(metrics, differences)


def comparison_grids(comparison: Comparison, name_a: str, name_b: str) -> list[Grid]:
    """A table for every method, with a row for every metric; methods that are the same in both are only named."""
    by_method: dict[str, list[Difference]] = {}
    for difference in comparison.differences:
        by_method.setdefault(difference.method, []).append(difference)
    same = [method for method, rows in by_method.items() if all(row.mean_a == row.mean_b for row in rows)]
    same = same if len(same) < len(by_method) else []
    notes = [
        "Means over the pairs that both have; differences are taken pair by pair, with their 95 % interval. "
        f"Bold: the interval leaves out 0, of {ENOUGH_PAIRS} pairs or more."
    ] + [f"The same in both: {', '.join(same)}."] * bool(same)
    columns = (Column(name_a), Column(name_b), Column("difference"), Column("pairs"))
    return [
        Grid(method, columns, tuple(_row(row, comparison.metrics[row.key]) for row in rows), tuple(notes))
        for method, rows in by_method.items()
        if method not in same
    ]


def difference_cell(row: Difference, metric: dict[str, Any]) -> Cell:
    """A difference with its interval; best where that leaves out 0 and the pairs are enough."""
    between, digits = row.difference, metric["decimals"] + 1  # differences are small
    interval = "" if between.low is None else f"{between.low:+.{digits}f}, {between.high:+.{digits}f}"
    return Cell(f"{between.mean:+.{digits}f}", interval, row.pairs >= ENOUGH_PAIRS and leaves_out_zero(between))


def leaves_out_zero(interval: Interval) -> bool:
    """Whether the interval does."""
    return interval.low is not None and (interval.low > 0.0 or interval.high < 0.0)


def _row(row: Difference, metric: dict[str, Any]) -> tuple[str, tuple[Cell, ...]]:
    means = [Cell(f"{mean:.{metric['decimals']}f}") for mean in (row.mean_a, row.mean_b)]
    return " ".join(metric_column(metric)), (*means, difference_cell(row, metric), Cell(str(row.pairs)))


def _difference(pairs_a: dict, pairs_b: dict, method: str, key: str) -> Difference | None:
    values = [
        (pairs_a[pair].get(method, {}).get(key), pairs_b[pair].get(method, {}).get(key))
        for pair in pairs_a
        if pair in pairs_b
    ]
    both = [(first, second) for first, second in values if first is not None and second is not None]
    if not both:
        return None
    first, second = zip(*both, strict=True)
    means = (sum(numbers) / len(both) for numbers in (first, second))
    return Difference(method, key, *means, paired_difference(first, second), len(both))


def _without(protocol: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in protocol.items() if field not in FREE_FIELDS}


def _common_data(data: dict[str, Any], pairs: set[str]) -> dict[str, str]:
    of_pairs = {pair: sha256 for pair, sha256 in data["pair_sha256"].items() if pair in pairs}
    return {"sha256": data["sha256"], **of_pairs}


def _check_equal(what: str, a: dict[str, Any], b: dict[str, Any], folders: tuple[Path | str, Path | str]) -> None:
    fields = [field for field in {**a, **b} if a.get(field) != b.get(field)]
    if fields:
        first = fields[0]
        raise ValueError(
            f"{folders[0]} and {folders[1]} do not compare: the {first} of the {what} is {a.get(first)!r} in the first "
            f"and {b.get(first)!r} in the second; evaluate both on the same data by the same protocol"
        )
