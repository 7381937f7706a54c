"""The one layout of our tensorflow-datasets: a record per frame in clip order, and a table of clips in the metadata.

A frame's record holds image (JPEG, quality 95, sRGB on black), matte (PNG, grey), clip and frame (where it stands in
the table), frame_number (in the video it was taken from), the fields of HeadParams and Camera in float32, and those of
Torso as torso_*: zeros where it was not followed.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from omg_jax.files import json_object

# Goes up whenever a reader of the former layout would misread a dataset.
SCHEMA_VERSION = 1
METADATA_NAME = "metadata.json"


class ClipEntry(NamedTuple):
    """A row of the clip table; the records of clip i follow those of clip i - 1."""

    name: str
    num_frames: int
    source: str
    fps: float


class SplitTable(NamedTuple):
    """The clips of one split; index_sha256 is that of the clip folder's index.json, skipped the clips left out."""

    clips: tuple[ClipEntry, ...]
    index_sha256: str
    skipped: dict[str, str]


class DatasetTable(NamedTuple):
    """What metadata.json says of a dataset."""

    head_name: str
    head_sha256: str
    image_size: tuple[int, int]
    splits: dict[str, SplitTable]


def table_to_metadata(table: DatasetTable) -> dict[str, Any]:
    """The dictionary that metadata.json holds."""
    splits = {
        name: {**split._asdict(), "clips": [entry._asdict() for entry in split.clips]}
        for name, split in table.splits.items()
    }
    return {"schema_version": SCHEMA_VERSION, **table._asdict(), "image_size": list(table.image_size), "splits": splits}


def load_table(folder: Path) -> DatasetTable:
    """Reads a dataset's metadata.json; ValueError where it is not ours or of another schema version."""
    path = folder / METADATA_NAME
    metadata = json_object(path.read_text()) if path.is_file() else {}
    version = metadata.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"{folder} has schema version {version}, expected {SCHEMA_VERSION}: build the dataset again, or use the "
            "release of this package that made it"
        )
    splits = {
        name: SplitTable(tuple(ClipEntry(**entry) for entry in split["clips"]), split["index_sha256"], split["skipped"])
        for name, split in metadata["splits"].items()
    }
    return DatasetTable(metadata["head_name"], metadata["head_sha256"], tuple(metadata["image_size"]), splits)


def table_text(table: DatasetTable) -> str:
    """A text that is equal for equal tables."""
    return json.dumps(table_to_metadata(table), sort_keys=True)
