"""``omg assets``: the weights and clips that are fetched on demand."""

from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich import box
from rich.table import Table

from omg_jax.assets import Asset, asset_path, cached_path, list_assets
from omg_jax.cli.console import console, print_table, report


def assets(
    action: Annotated[Literal["list", "get"], tyro.conf.Positional],
    name: Annotated[str | None, tyro.conf.Positional] = None,
    path: Path | None = None,
    json: bool = False,
) -> None:
    """List the weights and clips that are fetched on demand, or get one of them into the cache.

    Args:
        action: "list" shows every asset; "get" fetches one and prints where its file lies.
        name: The asset to get.
        path: Your own copy of the file, to be checked instead of downloading.
        json: Print one JSON object.
    """
    if action == "list":
        listing = {asset.name: described(asset) for asset in list_assets()}
        if json:
            report(listing, as_json=True)
        else:
            print_table(table(listing))
        return
    if name is None:
        raise ValueError(f"omg assets get needs a name; expected one of {', '.join(a.name for a in list_assets())}")
    with console.status(f"getting {name}"):
        found = asset_path(name, path=path)
    report({"name": name, "path": str(found)}, as_json=json)


def described(asset: Asset) -> dict:
    """One asset as the list shows it. bytes: the size of its file, None where it is not here yet."""
    path = cached_path(asset.name)
    return {
        "what": asset.what,
        "from": f"{asset.source} {asset.package}",
        "licence": asset.licence,
        "bytes": path.stat().st_size if path else None,
        "cached": path is not None,
    }


def table(listing: dict[str, dict]) -> Table:
    """The list of assets for people."""
    rows = Table("name", "cached", "what, from where", "licence", box=box.SIMPLE, pad_edge=False, show_lines=True)
    rows.columns[0].no_wrap = rows.columns[1].no_wrap = True
    for name, facts in listing.items():
        cached = f"{facts['bytes'] / 1e6:.1f} MB" if facts["cached"] else "no"
        rows.add_row(name, cached, f"{facts['what']}\n{facts['from']}", facts["licence"])
    return rows
