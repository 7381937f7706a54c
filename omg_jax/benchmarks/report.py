"""The rasterizer benchmark's result as a table and as a plot."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rich import box
from rich.table import Table

PASSES = ("forward", "backward", "both")
COLOURS = ("#1f4e79", "#c55a11", "#5b8c3e", "#7f6084", "#8c8c8c")  # one for each contestant
BAR, GAP, LABELS, WIDTH = 9, 10, 230, 900  # pixels: a bar's height, the space between cases, room for names, all


def unit(row: dict[str, Any]) -> str:
    """What ends the names of a row's times."""
    return "cpu_ms" if "forward_cpu_ms" in row else "ms"


def case_name(row: dict[str, Any]) -> str:
    """A row's case in words."""
    return f"{scene_name(row)}, {row['size']} px, {row['channels']} ch"


def scene_name(row: dict[str, Any]) -> str:
    """The scene, and of how many views it is drawn where there is more than one."""
    return row["scene"] + (f" x{row['batch']}" if row["batch"] > 1 else "")


def table(result: dict[str, Any]) -> Table:
    """Milliseconds by case and contestant; "differs" marks one whose pictures are not ours: its times do not count."""
    rows, ends = result["rows"], unit(result["rows"][0])
    columns = ["scene", "px", "ch", "by", *PASSES, "MB"]
    if "forward_roofline" in rows[0]:
        columns += ["share of roofline"]
    printed = Table(*columns, box=box.SIMPLE, title=f"{result['device']}, {ends.replace('_', ' ')}")
    for k, row in enumerate(rows):
        same = k > 0 and case_name(row) == case_name(rows[k - 1])
        case = ["", "", ""] if same else [scene_name(row), str(row["size"]), str(row["channels"])]
        times = [f"{row[f'{name}_{ends}']:.3g}" for name in PASSES]
        memory = "" if row["both_memory_mb"] is None else f"{row['both_memory_mb']:.3g}"
        share = [f"{row['forward_roofline']:.0%}, {row['backward_roofline']:.0%}"] if "forward_roofline" in row else []
        printed.add_row(*case, row["by"] + ("" if row["equal"] else " (differs)"), *times, memory, *share)
    return printed


def bar_chart(result: dict[str, Any]) -> str:
    """An SVG picture: a bar for each case and contestant whose pictures are equal, as long as both passes take."""
    rows = [row for row in result["rows"] if row["equal"]]
    names = list(dict.fromkeys(row["by"] for row in rows))
    longest = max(row[f"both_{unit(row)}"] for row in rows)
    parts, y = legend(names), 2 * GAP + 14
    for case in dict.fromkeys(case_name(row) for row in rows):
        drawn = [row for row in rows if case_name(row) == case]
        parts.append(text(LABELS - 8, y + BAR * len(drawn) / 2 + 4, case, anchor="end"))
        for row in drawn:
            value = row[f"both_{unit(row)}"]
            width = max(1.0, (WIDTH - LABELS - 60) * value / longest)
            colour = COLOURS[names.index(row["by"]) % len(COLOURS)]
            parts.append(f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{colour}"/>')
            parts.append(text(LABELS + width + 4, y + BAR - 1, f"{value:.3g}"))
            y += BAR
        y += GAP
    title = f"forward and backward, {unit(rows[0]).replace('_', ' ')}, {result['device']}"
    parts.append(text(LABELS, y + 8, title))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 20}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="10">', '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"])


def legend(names: Sequence[str]) -> list[str]:
    """Names and colours of the contestants, in one line."""
    parts, x = [], LABELS
    for k, name in enumerate(names):
        parts.append(f'<rect x="{x}" y="{GAP}" width="10" height="10" fill="{COLOURS[k % len(COLOURS)]}"/>')
        parts.append(text(x + 14, GAP + 9, name))
        x += 30 + 6 * len(name)
    return parts


def text(x: int | float, y: int | float, words: str, anchor: str = "start") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
