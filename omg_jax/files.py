"""Outputs that appear whole or not at all; what a file's metadata say."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix): it takes its place when the block ends well, else it is removed.

    Missing parent folders are made. Both paths lie in one folder, so the rename is atomic: a reader sees the old file
    or the new one, never a part. ValueError where the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise ValueError(
            f"cannot write {path}: {error.strerror}; name an output in a folder that can be written"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; an output has the permissions that any new file has here.
        temporary.chmod(0o666 & ~current_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def current_umask() -> int:
    """The process's file creation mask (it can only be read by setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in a file's metadata. An empty one for any other text: readers then find their fields missing."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
