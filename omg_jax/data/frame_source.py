"""What training reads frames from: a folder of clips, or a tensorflow-datasets dataset made of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from omg_jax.data.clips import INDEX_NAME, Clip, load_index

TFDS_INFO_NAME = "dataset_info.json"


@runtime_checkable
class FrameSource(Protocol):
    """Clips by number, frames by number within their clip. Safe to call from several threads.

    head_name and head_sha256 say whose parameters the clips hold; sha256 tells one dataset from another, wherever
    either lies.
    """

    @property
    def root(self) -> Path: ...

    @property
    def head_name(self) -> str: ...

    @property
    def head_sha256(self) -> str: ...

    @property
    def image_size(self) -> tuple[int, int]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def num_frames(self) -> tuple[int, ...]: ...

    @property
    def sha256(self) -> str: ...

    def frames(self, clip: int, frames: Sequence[int]) -> Clip:
        """Some frames of a clip, in the given order."""
        ...

    def frame_numbers(self, clip: int) -> tuple[int, ...]:
        """Where the frames of a clip stand in its video; as they are counted, where it comes from none."""
        ...


def open_frames(root: str | Path, split: str = "train") -> FrameSource:
    """The dataset in a folder: of clips (with index.json), or of tensorflow-datasets (with dataset_info.json).

    split: which part of the latter; a folder of clips has no parts. ValueError where the folder is neither.
    """
    root = Path(root)
    if (root / TFDS_INFO_NAME).is_file():
        try:
            from omg_jax.data.tfds_source import TfdsSource
        except ImportError as error:
            raise ImportError(f"reading {root} needs tensorflow-datasets: pip install 'omg_jax[data]'") from error
        return TfdsSource(root, split)
    if (root / INDEX_NAME).is_file():
        return load_index(root)
    inside = sorted(path.parent for path in root.glob(f"omg_*/*/{TFDS_INFO_NAME}"))
    raise ValueError(
        f"{root} is no dataset: it holds neither {INDEX_NAME} (a folder of clips) nor {TFDS_INFO_NAME} (the version's "
        f"folder of a tensorflow-datasets dataset); give {inside[0] if inside else 'DATA_DIR/omg_clips/1.1.0, say'}"
    )
