"""Tables of an evaluation on the console."""

from rich import box
from rich.markup import escape
from rich.table import Table

from omg_jax.evaluation.tables import Cell, Grid

NAME_WIDTH, COLUMN_WIDTH = 20, 13  # characters, about


def grid_tables(grid: Grid, width: int) -> list[Table]:
    """A grid of means as tables of at most this width, as many as its columns need; intervals are left out."""
    names = max([NAME_WIDTH, *(len(name) for name, _ in grid.rows)])
    across = max(1, (width - names) // COLUMN_WIDTH)
    starts = range(0, len(grid.columns), across)
    return [grid_table(part(grid, start, start + across), intervals=False) for start in starts]


def part(grid: Grid, first: int, stop: int) -> Grid:
    """Some of the grid's columns; the title is the first's, the notes the last's."""
    rows = tuple((name, cells[first:stop]) for name, cells in grid.rows)
    title, notes = "" if first else grid.title, grid.notes if stop >= len(grid.columns) else ()
    return Grid(title, grid.columns[first:stop], rows, notes)


def grid_table(grid: Grid, *, intervals: bool) -> Table:
    """A grid with its notes below; an interval follows its mean."""
    notes = " ".join(grid.notes)
    table = Table(box=box.SIMPLE, title=escape(grid.title), caption=escape(notes), caption_justify="left")
    table.add_column("", no_wrap=True)
    for column in grid.columns:
        table.add_column(escape(" ".join(column).strip()), justify="right")
    for name, cells in grid.rows:
        table.add_row(escape(name), *(cell_text(cell, intervals) for cell in cells))
    return table


def cell_text(cell: Cell, interval: bool) -> str:
    """A cell in rich's markup."""
    value = f"[bold]{cell.value}[/bold]" if cell.best else cell.value
    return f"{value} [dim]{escape(f'[{cell.interval}]')}[/dim]" if interval and cell.interval else value
