"""Frames of a tensorflow-datasets dataset in ArrayRecord files, at random access. Needs the extra "data"."""

import bisect
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from omg_jax.data.clips import Clip
from omg_jax.data.pictures import decode_jpeg, decode_matte
from omg_jax.data.schema import load_table, table_text
from omg_jax.head.torso import TORSO_NAMES, torso_of
from omg_jax.types import Camera, HeadParams, Torso


class TfdsSource:
    """A FrameSource (see there) over one split of a dataset that this package's builders made."""

    def __init__(self, root: str | Path, split: str = "train"):
        """root: the version's folder. ValueError where it is damaged, of another schema, or lacks the split."""
        self.root, self.split = Path(root), split
        table = load_table(self.root)
        if split not in table.splits:
            raise ValueError(f"{root} has no split {split!r}; expected one of {', '.join(table.splits)}")
        clips = table.splits[split].clips
        self.head_name, self.head_sha256, self.image_size = table[:3]
        self.names = tuple(clip.name for clip in clips)
        self.num_frames = tuple(clip.num_frames for clip in clips)
        self.sha256 = hashlib.sha256(f"{split}\n{table_text(table)}".encode()).hexdigest()
        self._starts = np.concatenate([[0], np.cumsum(self.num_frames)]).tolist()
        skip = tfds.decode.SkipDecoding()
        try:
            builder = tfds.builder_from_directory(str(self.root))
            self._records = builder.as_data_source(split, decoders={"image": skip, "matte": skip})
            count = len(self._records)
            shard_ends = np.cumsum(builder.info.splits[split].shard_lengths)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise ValueError(
                f"{root} cannot be opened ({error}); a file is damaged or missing: build the dataset again"
            ) from error
        if count != self._starts[-1]:
            raise ValueError(
                f"{root} has {count} records in split {split}, expected {self._starts[-1]}: build the dataset again"
            )
        # A file that was cut short is noticed when anything in it is read: here, rather than hours later.
        for last in (shard_ends - 1).tolist():
            clip = bisect.bisect_right(self._starts, last) - 1
            self.record(clip, last - self._starts[clip])

    def record(self, clip: int, frame: int) -> dict[str, Any]:
        """One frame's record, pictures not decoded; ValueError where it cannot be read."""
        try:
            record = self._records[self._starts[clip] + frame]
        except (OSError, RuntimeError, ValueError, IndexError) as error:
            raise self._damaged(clip, frame, error) from error
        if (record["clip"], record["frame"]) != (clip, frame):
            raise self._damaged(clip, frame, f"it is frame {record['frame']} of clip {record['clip']}")
        return record

    def frames(self, clip: int, frames: Sequence[int]) -> Clip:
        """Some frames of clip number `clip`, in the given order."""
        count = self.num_frames[clip]
        if not len(frames) or min(frames) < 0 or max(frames) >= count:
            raise ValueError(f"frames must lie in 0..{count - 1} of {self.names[clip]}, got {list(frames)}")
        records = [self.record(clip, frame) for frame in frames]
        images, mattes = [], []
        for frame, record in zip(frames, records, strict=True):
            try:
                images.append(decode_jpeg(record["image"]))
                mattes.append(decode_matte(record["matte"]))
            except ValueError as error:
                raise self._damaged(clip, frame, error) from error
        return Clip(
            images=np.stack(images),
            mattes=np.stack(mattes),
            head_params=HeadParams(*(np.stack([r[name] for r in records]) for name in HeadParams._fields)),
            camera=Camera(*(np.stack([r[name] for r in records]) for name in Camera._fields)),
            torso=_torso(records),
        )

    def frame_numbers(self, clip: int) -> tuple[int, ...]:
        """Where the frames of clip number `clip` stand in its video; as they are counted, where it comes from none."""
        return tuple(int(self.record(clip, frame)["frame_number"]) for frame in range(self.num_frames[clip]))

    def _damaged(self, clip: int, frame: int, why: object) -> ValueError:
        return ValueError(
            f"{self.root}, split {self.split}: frame {frame} of clip {self.names[clip]} cannot be read ({why}): "
            "remove its folder, and build the dataset again"
        )


def _torso(records: list[dict[str, Any]]) -> Torso | None:
    """The torso of some frames; None where it was not followed, or the dataset is older than torsos are."""
    torso = torso_of({name: np.stack([r[name] for r in records]) for name in TORSO_NAMES if name in records[0]})
    return torso if torso is not None and np.any(torso.motion) else None
