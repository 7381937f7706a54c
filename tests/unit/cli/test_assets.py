"""The list of assets, for people and for programs."""

import json
from pathlib import Path

import pytest

from omg_jax.assets import ASSETS
from omg_jax.cli import assets
from omg_jax.cli.main import main

SIZE = 2_500_000


@pytest.fixture(autouse=True)
def one_cached(monkeypatch, tmp_path) -> Path:
    """Only the asset sface lies in the cache."""
    path = tmp_path / "sface.onnx"
    path.write_bytes(bytes(SIZE))
    monkeypatch.setattr(assets, "cached_path", lambda name: path if name == "sface" else None)


def test_the_table_has_a_row_for_every_asset_with_its_size_where_it_is_cached(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    main(["assets", "list"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    cached = {row[0]: row[1:3] for row in rows if row[0] in ASSETS}
    assert cached.keys() == ASSETS.keys()
    assert cached["sface"] == ["2.5", "MB"]
    assert cached["carphone"][0] == "no"


def test_json_says_what_is_cached(capsys):
    main(["assets", "list", "--json"])
    listing = json.loads(capsys.readouterr().out)
    assert listing.keys() == ASSETS.keys()
    assert (listing["sface"]["cached"], listing["sface"]["bytes"]) == (True, SIZE)
    assert (listing["carphone"]["cached"], listing["carphone"]["bytes"]) == (False, None)
