"""``omg assets``: the weights and clips that are fetched on demand."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from omg_jax.assets import asset_path, cached_path, list_assets
from omg_jax.cli.console import console, report


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
        report({asset.name: described(asset) for asset in list_assets()}, as_json=json)
        return
    if name is None:
        raise ValueError(f"omg assets get needs a name; expected one of {', '.join(a.name for a in list_assets())}")
    with console.status(f"getting {name}"):
        found = asset_path(name, path=path)
    report({"name": name, "path": str(found)}, as_json=json)


def described(asset) -> dict:
    """One asset as the list shows it."""
    return {
        "what": asset.what,
        "from": f"{asset.source} {asset.package}",
        "licence": asset.licence,
        "cached": cached_path(asset.name) is not None,
    }
