"""One self-contained HTML file of an evaluation: opens without a server, asks for nothing from outside.

Everything in it comes from the evaluation's folder: results.json, frames.csv, run.json and the pictures.
"""

import re
from collections.abc import Callable
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from omg_jax.evaluation.gallery import all_pairs, worst_frames
from omg_jax.evaluation.markup import Element, element, page
from omg_jax.evaluation.plots import dot_plot, method_colours, strip_plot
from omg_jax.evaluation.read import Evaluation, load_evaluation, main_method
from omg_jax.evaluation.tables import (
    PROTOCOL_TITLES,
    REGION_PREFIX,
    Cell,
    Grid,
    averaging_note,
    count,
    methods_grid,
    metric_column,
    missed_notes,
    number_cell,
    paper_grid,
    region_keys,
)
from omg_jax.files import replacing

REPORT_NAME = "report.html"
SHA256, SHORT_SHA256 = re.compile(r"\b[0-9a-f]{64}\b"), 12  # digits that are shown where many stand in a table


class Section(NamedTuple):
    """A part of the report: its anchor, heading, and what makes its content, None where there is nothing to show."""

    anchor: str
    heading: str
    content: Callable[[Evaluation], Element | None]


def write_report(folder: Path | str) -> Path:
    """Writes report.html into an evaluation's folder, and returns its path. ValueError where the folder holds none."""
    text = report_page(load_evaluation(folder))
    path = Path(folder) / REPORT_NAME
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def report_page(evaluation: Evaluation) -> str:
    """The report, as HTML."""
    results = evaluation.results
    title = f"{PROTOCOL_TITLES[results['protocol']['name']]} on {results['data']['name']}"
    made = [(section, section.content(evaluation)) for section in SECTIONS]
    present = [(section, content) for section, content in made if content is not None]
    links = [element("a", section.heading, href=f"#{section.anchor}") for section, _ in present]
    sections = [
        element("section", element("h2", section.heading), content, id=section.anchor) for section, content in present
    ]
    style = resources.files("omg_jax.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    body = element("body", element("main", masthead(evaluation, title), element("nav", *links), *sections))
    return page(title, style, body)


def masthead(evaluation: Evaluation, title: str) -> Element:
    """Title, size, and where and when it was computed."""
    results, run = evaluation.results, evaluation.run
    protocol, data = results["protocol"], results["data"]
    sizes = {"pair": data["pairs"], "frame": data["frames"], "method": len(results["methods"])}
    size = ", ".join(count(number, what) for what, number in sizes.items())
    made = [prefix + run[key] for key, prefix in (("commit", "commit "), ("date", ""), ("device", "")) if key in run]
    kicker = f"Evaluation report · protocol “{protocol['name']}”, version {protocol['version']}"
    return element(
        "header",
        element("p", kicker, class_="kicker"),
        element("h1", title),
        element("p", " · ".join([size, *made]), class_="facts"),
    )


def results_section(evaluation: Evaluation) -> Element:
    """All methods by the metrics that look at whole pictures."""
    results = evaluation.results
    keys = [key for key in results["metrics"] if key not in region_keys(results)]
    return grid_table(methods_grid(results, keys, "", [averaging_note(results), *missed_notes(results)]), evaluation)


def paper_section(evaluation: Evaluation) -> Element | None:
    """The paper's numbers beside ours."""
    grid = paper_grid(evaluation.results)
    return grid_table(grid, evaluation) if grid.columns else None


def pairs_section(evaluation: Evaluation) -> Element | None:
    """Every pair's mean as a dot, metric by metric; and as numbers for the method that is looked at first."""
    results = evaluation.results
    if results["data"]["pairs"] == 1:
        return None
    colours, plots = method_colours(results["methods"]), []
    for key, metric in results["metrics"].items():
        if key in region_keys(results):
            continue
        rows = {method: pair_values(results, method, key) for method in results["methods"]}
        rows = {method: pairs for method, pairs in rows.items() if pairs}
        if not rows:
            continue
        summaries = {method: results["results"][method][key] for method in rows}
        caption = element("figcaption", " ".join(metric_column(metric)))
        plots.append(element("figure", caption, strip_plot(rows, summaries, colours, metric["decimals"])))
    note = "A dot is a pair; the upright line is the mean over pairs, the level one its 95 % interval."
    return element("div", element("p", note), element("div", *plots, class_="plots"), pairs_table(evaluation))


def pair_values(results: dict[str, Any], method: str, key: str) -> dict[str, float]:
    """A method's mean of every pair that has one."""
    values = {pair: rows.get(method, {}).get(key) for pair, rows in results["pairs"].items()}
    return {pair: value for pair, value in values.items() if value is not None}


def pairs_table(evaluation: Evaluation) -> Element:
    """Numbers of every pair, for the method that is looked at first; folded away."""
    results, method = evaluation.results, main_method(evaluation.results)
    metrics = {key: metric for key, metric in results["metrics"].items() if pair_values(results, method, key)}

    def cell(value: float | None, decimals: int) -> Cell:
        return number_cell({"mean": value, "low": None, "high": None}, decimals)

    rows = tuple(
        (pair, tuple(cell(means[method].get(key), metric["decimals"]) for key, metric in metrics.items()))
        for pair, means in results["pairs"].items()
        if method in means
    )
    grid = Grid("", tuple(map(metric_column, metrics.values())), rows, ())
    return element("details", element("summary", f"Every pair in numbers, {method}"), grid_table(grid, evaluation))


def regions_section(evaluation: Evaluation) -> Element | None:
    """PSNR by region, as a plot and as a table."""
    results = evaluation.results
    keys, table = region_keys(results), results["results"]
    rows = {
        key.removeprefix(REGION_PREFIX): {
            method: table[method][key]["mean"] for method in table if table[method].get(key, {}).get("mean") is not None
        }
        for key in keys
    }
    rows = {name: row for name, row in rows.items() if row}
    if not rows:
        return None
    colours = method_colours(results["methods"])
    names = [element("span", swatch(colours[name]), name) for name in results["methods"]]
    decimals = results["metrics"][keys[0]]["decimals"]
    caption, legend = element("figcaption", "PSNR (dB) ↑, means"), element("p", *names, class_="legend")
    plot = element("figure", caption, dot_plot(rows, colours, decimals), legend)
    grid = methods_grid(results, keys, "", [])
    return element("div", plot, grid_table(grid, evaluation), class_="side")


def speed_section(evaluation: Evaluation) -> Element | None:
    """Seconds a frame and frames per second of every method, and the memory held."""
    seconds = evaluation.run.get("seconds_per_frame", {})
    if not seconds:
        return None
    colours, fastest = method_colours(evaluation.results["methods"]), min(seconds.values())
    rows = []
    for method, taken in seconds.items():
        bar = element("span", class_="bar", style=f"width:{100 * fastest / taken:.1f}%;background:{colours[method]}")
        cells = (f"{taken:.3f}", f"{1 / taken:.2f}")
        rows.append(
            element("tr", row_head(method, colours), *(element("td", cell) for cell in cells), element("td", bar))
        )
    names = ("", "seconds a frame", "frames per second", "")
    head = element("thead", element("tr", *(element("th", name) for name in names)))
    table = element("table", head, element("tbody", *rows), class_="speed")
    return element("div", element("div", table, class_="scroll"), *notes([memory_note(evaluation.run)]))


def memory_note(run: dict[str, Any]) -> str:
    """What times and memory are of."""
    held = next((value for key, value in run.items() if key.endswith("_peak_memory_mib")), None)
    told = (
        "Wall time from head parameters to the picture in host memory, median over pairs, while the evaluation ran; "
        "omg bench avatar measures on an idle machine."
    )
    return told if held is None else f"{told} The whole evaluation held at most {held / 1024:.1f} GiB."


def protocol_section(evaluation: Evaluation) -> Element:
    """The protocol, field by field."""
    fields = {key: value for key, value in evaluation.results["protocol"].items() if value is not None}
    return definitions({name.replace("_", " "): readable(value) for name, value in fields.items()})


def metrics_section(evaluation: Evaluation) -> Element:
    """What each metric is, and by what it was computed."""
    rows = []
    for metric in evaluation.results["metrics"].values():
        computed_by = SHA256.sub(lambda found: f"{found[0][:SHORT_SHA256]}…", metric["back_end"])
        texts = (" ".join(metric_column(metric)), metric["formula"], computed_by)
        rows.append(element("tr", *(element("td", text) for text in texts)))
    head = element("thead", element("tr", *(element("th", name) for name in ("metric", "formula", "computed by"))))
    table = element("table", head, element("tbody", *rows), class_="text")
    return element("div", element("div", table, class_="scroll"), *notes(["results.json holds the sha256 whole."]))


def run_section(evaluation: Evaluation) -> Element:
    """Everything that is needed to get the same numbers again."""
    results, run = evaluation.results, evaluation.run
    facts = {key: readable(run[key]) for key in ("command", "commit", "date", "device", "packages") if key in run}
    facts["data"] = f"{results['data']['name']}, sha256 {results['data']['sha256']}"
    by_weights: dict[str, list[str]] = {}
    for method, about in results["methods"].items():
        by_weights.setdefault(about.get("weights_sha256", ""), []).append(method)
    for sha256, methods in by_weights.items():
        if sha256:
            facts[f"weights of {', '.join(methods)}"] = f"sha256 {sha256}"
    return definitions(facts)


def definitions(facts: dict[str, str]) -> Element:
    """Names and what they stand for."""
    return element("dl", *(part for name, text in facts.items() for part in (element("dt", name), element("dd", text))))


def readable(value: Any) -> str:
    """A JSON value as a person reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {readable(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        return " x ".join(map(readable, value))
    return str(value)


def grid_table(grid: Grid, evaluation: Evaluation) -> Element:
    """A grid as a table that scrolls sideways where it is too wide, with its notes below."""
    colours = method_colours(evaluation.results["methods"])
    groups = [(name, len(list(columns))) for name, columns in groupby(grid.columns, lambda column: column.name)]
    names = [element("th", name, colspan=str(width)) for name, width in groups]
    details = [element("th", column.detail) for column in grid.columns]
    head = element("thead", element("tr", element("th"), *names), element("tr", element("th"), *details))
    rows = [element("tr", row_head(name, colours), *map(table_cell, cells)) for name, cells in grid.rows]
    table = element("table", head, element("tbody", *rows), class_="grouped" if len(groups) < len(details) else None)
    return element("div", element("div", table, class_="scroll"), *notes(grid.notes))


def row_head(name: str, colours: dict[str, str]) -> Element:
    """A row's name, with the method's colour where it is one's."""
    return element("th", swatch(colours[name]) if name in colours else None, name, scope="row")


def table_cell(cell: Cell) -> Element:
    """A number over its interval."""
    value = element("b" if cell.best else "span", cell.value)
    return element("td", value, element("small", cell.interval) if cell.interval else None)


def swatch(colour: str) -> Element:
    """A method's colour."""
    return element("i", style=f"background:{colour}")


def notes(sentences: tuple[str, ...] | list[str]) -> list[Element]:
    """Sentences in small print."""
    return [element("p", sentence, class_="note") for sentence in sentences]


SECTIONS = (
    Section("results", "Results", results_section),
    Section("paper", "Beside the paper", paper_section),
    Section("pairs", "Spread over pairs", pairs_section),
    Section("regions", "Regions of the picture", regions_section),
    Section("speed", "Speed and memory", speed_section),
    Section("worst", "Worst frames", worst_frames),
    Section("pictures", "Pictures", all_pairs),
    Section("protocol", "Protocol", protocol_section),
    Section("metrics", "Metrics", metrics_section),
    Section("run", "How to repeat it", run_section),
)
