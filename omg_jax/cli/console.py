"""What the commands print: progress and notes on stderr, results on stdout."""

import json
import sys
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

console = Console(stderr=True, highlight=False)


def note(sentence: str) -> None:
    """Prints a sentence on stderr: one line, however long."""
    console.print(sentence, soft_wrap=True, markup=False)


def print_table(table: Table) -> None:
    """Prints a table on stdout."""
    Console().print(table)


def report(result: dict, *, as_json: bool) -> None:
    """Prints a command's result on stdout: one JSON object, or one "name: value" line for each entry."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    for name, value in result.items():
        sys.stdout.write(f"{name.replace('_', ' ')}: {readable(value)}\n")


def readable(value: object) -> str:
    """A result's value as a person reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {readable(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(readable(entry) for entry in value) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "yes" if value is True else "no" if value is False else "-" if value is None else str(value)


def progress_bar() -> Progress:
    """A progress display for long work, on stderr."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


def telling(progress: Progress, name: str = "") -> Callable[[str, int, int], None]:
    """Shows what is being done, how much of it is done and of how much (0: not known): a bar for each stage."""
    bars: dict[str, TaskID] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = progress.add_task(f"{name}: {stage}" if name else stage, total=total or None)
        progress.update(bars[stage], completed=done)

    return tell


def tracked(items: Iterable, description: str, total: int) -> Iterable:
    """Yields the items behind a progress bar."""
    with progress_bar() as progress:
        yield from progress.track(items, total=total, description=description)
