"""Results of a long work's parts, kept on disk until the whole is done: work that was killed goes on where it was."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from omg_jax.files import replacing

Arrays = dict[str, np.ndarray]


def remembered(folder: Path | None, name: str, make: Callable[[], Arrays]) -> Arrays:
    """What make returns, or what it returned when a part of this name was made before. folder None keeps nothing."""
    if folder is None:
        return make()
    path = folder / f"{name}.npz"
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as archive:
                return dict(archive)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile):
            pass  # A damaged part is made again.
    arrays = make()
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)
    return arrays


def forget(folder: Path | None) -> None:
    """Removes all parts."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
