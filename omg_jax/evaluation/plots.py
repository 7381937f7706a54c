"""The plots of a report, as SVG."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from omg_jax.evaluation.markup import Element, element

# By kind of a method: the network's levels from dark to light, baselines in earth colours, pictures of others.
COLOURS = {
    "network": ("#0f4f8f", "#4f94cf", "#a3caec", "#12908a", "#4f3590", "#8a70c4", "#c2b3e4", "#b0559f"),
    "baseline": ("#b5ada0", "#d9a441", "#c4683b", "#7d4f3a"),
    "pictures": ("#4f8f5b", "#8a5fa8", "#2f807c", "#a84c82"),
}
WIDTH, LABELS, MARGIN = 372, 104, 10  # pixels: of a plot, of its rows' names, to its right
ROW, AXIS = 20, 24  # pixels: heights of a row, of the axis below
JITTER = 9.0  # pixels over which the dots of a row are spread, so that equal ones show
GOLDEN = 0.618034  # multiples of it, modulo 1, are spread evenly however many there are
NUM_TICKS = 5  # at most, about


class Scale(NamedTuple):
    """An axis: what lies at its left and right end, and the ticks between them."""

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    def place(self, value: float) -> float:
        """Where a value lies, in pixels."""
        return LABELS + (WIDTH - LABELS - MARGIN) * (value - self.low) / (self.high - self.low)


def method_colours(methods: dict[str, dict[str, Any]]) -> dict[str, str]:
    """A colour for every method, by its kind and its place among those of that kind."""
    colours, seen = {}, dict.fromkeys(COLOURS, 0)
    for name, about in methods.items():
        palette = COLOURS[about["kind"]]
        colours[name] = palette[seen[about["kind"]] % len(palette)]
        seen[about["kind"]] += 1
    return colours


def axis_scale(values: Sequence[float]) -> Scale:
    """An axis that holds all values, with round ticks."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    low, high = low - 0.05 * span, high + 0.05 * span
    rough = (high - low) / NUM_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough)
    ticks = tuple(index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1))
    return Scale(low, high, ticks, max(0, -math.floor(math.log10(step) + 1e-9)))


def strip_plot(
    rows: dict[str, dict[str, float]], summaries: dict[str, dict[str, Any]], colours: dict[str, str], decimals: int
) -> Element:
    """A row for every method: a dot for each pair's value; over them the mean (upright) and its interval (level).

    rows: method -> pair -> value; summaries: method -> {"mean", "low", "high"}, the last two None without an interval.
    """
    ends = [summary[key] for summary in summaries.values() for key in ("low", "mean", "high")]
    values = [value for pairs in rows.values() for value in pairs.values()] + [end for end in ends if end is not None]
    scale, parts = axis_scale(values), []
    for index, (method, pairs) in enumerate(rows.items()):
        middle = ROW * (index + 0.5)
        parts.append(_label(method, middle))
        for number, (pair, value) in enumerate(pairs.items()):
            y = middle + JITTER * (number * GOLDEN % 1.0 - 0.5) if len(pairs) > 1 else middle
            told = element("title", f"{method}, {pair}: {value:.{decimals}f}")
            dot = element("circle", told, cx=scale.place(value), cy=y, r=2.8, fill=colours[method], opacity=0.55)
            parts.append(dot)
        parts.append(_interval(summaries[method], scale, middle))
        x = scale.place(summaries[method]["mean"])
        parts.append(element("line", class_="mean", x1=x, x2=x, y1=middle - 6, y2=middle + 6))
    return _plot(scale, len(rows), parts)


def dot_plot(rows: dict[str, dict[str, float]], colours: dict[str, str], decimals: int) -> Element:
    """A row for every name, a dot in it for every method's value. rows: name -> method -> value."""
    scale, parts = axis_scale([value for row in rows.values() for value in row.values()]), []
    for index, (name, row) in enumerate(rows.items()):
        middle = ROW * (index + 0.5)
        ends = [scale.place(pick(row.values())) for pick in (min, max)]
        parts += [_label(name, middle), element("line", class_="range", x1=ends[0], x2=ends[1], y1=middle, y2=middle)]
        for method, value in row.items():
            told = element("title", f"{method}, {name}: {value:.{decimals}f}")
            parts.append(element("circle", told, cx=scale.place(value), cy=middle, r=4.5, fill=colours[method]))
    return _plot(scale, len(rows), parts)


def _interval(summary: dict[str, Any], scale: Scale, middle: float) -> Element | None:
    if summary["low"] is None:
        return None
    left, right = scale.place(summary["low"]), scale.place(summary["high"])
    return element("line", class_="interval", x1=left, x2=right, y1=middle, y2=middle)


def _label(name: str, middle: float) -> Element:
    shown = name if len(name) <= 17 else f"{name[:16]}…"
    return element("text", element("title", name), shown, x=LABELS - 8, y=middle + 4, text_anchor="end")


def _plot(scale: Scale, num_rows: int, parts: list[Element | None]) -> Element:
    bottom = ROW * num_rows
    grid = []
    for tick in scale.ticks:
        x = scale.place(tick)
        grid.append(element("line", class_="grid", x1=x, x2=x, y1=0, y2=bottom))
        text = f"{tick:.{scale.decimals}f}"
        grid.append(element("text", text, class_="tick", x=x, y=bottom + 15, text_anchor="middle"))
    return element("svg", *grid, *parts, viewBox=f"0 0 {WIDTH} {bottom + AXIS}", role="img")
