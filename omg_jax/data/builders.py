"""tensorflow-datasets builders of our datasets, in ArrayRecord files, without TensorFlow. Needs the extra "data".

A builder reads folders of clips (see clips.py), which hold the published frame sampling already, and copies their
pictures as they are; a clip that is damaged is left out and told of. All four make records of one layout (schema.py).
"""

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from omg_jax.data.clips import INDEX_NAME, ClipIndex, EncodedClip, load_index, read_encoded_clip
from omg_jax.data.pairs import prefetched
from omg_jax.data.schema import ClipEntry, DatasetTable, SplitTable, load_table, table_to_metadata
from omg_jax.data.tfds_source import TfdsSource
from omg_jax.head.torso import TORSO_NAMES, torso_arrays
from omg_jax.types import HeadParams

READ_THREADS = 4


class Built(NamedTuple):
    """A finished dataset: its folder, frames per split, and the clips that were left out, by split/name, and why."""

    folder: Path
    num_frames: dict[str, int]
    skipped: dict[str, str]


class ClipsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Common part of the builders.

    The manual directory is a folder of clips, which becomes the split "train", or holds one folder of clips per split.
    """

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "First layout.", "1.1.0": "With torsos."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Folders of clips as ``omg dataset`` makes them of videos; see the class's text."
    SPLITS: tuple[str, ...] = ()  # the splits that the published protocol has; none: whatever folders there are
    HOMEPAGE, LICENCE, CITATION = "", "", ""

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            features=frame_features(),
            homepage=self.HOMEPAGE or None,
            license=self.LICENCE,
            citation=self.CITATION or None,
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        indices = split_indices(Path(dl_manager.manual_dir), self.SPLITS)
        check_same_head(indices)
        first = next(iter(indices.values()))
        self._table = DatasetTable(first.head_name, first.head_sha256, first.image_size, {})
        return {split: self._generate_examples(split, index) for split, index in indices.items()}

    def _generate_examples(self, split: str, index: ClipIndex) -> Iterator[tuple[int, dict[str, Any]]]:
        entries, skipped, key = [], {}, 0
        read = prefetched(lambda i: _read_or_reason(index, i), 0, len(index.names), READ_THREADS)
        for name, clip in zip(index.names, read, strict=True):
            if isinstance(clip, str):
                skipped[name] = clip
                continue
            for frame in range(len(clip.images)):
                yield key, frame_record(clip, len(entries), frame)
                key += 1
            entries.append(ClipEntry(name, len(clip.images), clip.origin.source, clip.origin.fps))
        if not entries:
            raise ValueError(f"none of the {len(index.names)} clips of {index.root} can be read: {skipped}")
        self._table.splits[split] = SplitTable(tuple(entries), index.sha256, skipped)
        self.info.metadata.update(table_to_metadata(self._table))


class OmgVfhq(ClipsBuilder):
    """VFHQ: interview clips, 15,204 to train on and 50 to test on, tracked and cropped to portraits of 512 x 512.

    Splits: train, with 25, 50 or 75 frames of each clip by its length (under 200 frames, up to 300, more), evenly
    spaced; test, with 50 frames of each of the 50 test clips, whose first frame is the source.

    How to obtain: VFHQ's authors give a list of videos and the clips' times and boxes on the project's page, and the
    test clips as files; the videos are fetched by their own users. Put the clips as video files below
    SOURCE/train and SOURCE/test and run ``omg dataset vfhq SOURCE -o DATA_DIR``.

    Licence: the list is for research that is not commercial; the videos remain their makers'. Nothing of it comes with
    this package, and a built dataset must not be passed on.
    """

    SPLITS = ("train", "test")
    HOMEPAGE = "https://liangbinxie.github.io/projects/vfhq/"
    LICENCE = "Research only, not commercial; rights in the videos remain with their makers."
    CITATION = "Xie et al., VFHQ: A High-Quality Dataset and Benchmark for Video Face Super-Resolution, CVPRW 2022."


class OmgHdtf(ClipsBuilder):
    """HDTF: talking heads, the 19 sequences that portrait animation is tested on, 100 frames of each.

    Split: test. The first of a clip's evenly spaced frames is the source.

    How to obtain: HDTF's authors give lists of videos, times and boxes; the videos are fetched by their own users. Put
    the sequences as video files named as in ``sampling.HDTF_TEST`` below SOURCE/test and run
    ``omg dataset hdtf SOURCE -o DATA_DIR``.

    Licence: the lists are under CC BY 4.0; the videos remain their makers'. A built dataset must not be passed on.
    """

    SPLITS = ("test",)
    HOMEPAGE = "https://github.com/MRzzm/HDTF"
    LICENCE = "Annotations CC BY 4.0; rights in the videos remain with their makers."
    CITATION = "Zhang et al., Flow-Guided One-Shot Talking Face Generation with a High-Resolution Dataset, CVPR 2021."


class OmgClips(ClipsBuilder):
    """Anyone's videos of people who talk, tracked by this package. Splits: the folders of the source, or train.

    How to obtain: put videos into one folder, or into one per split, and run ``omg dataset clips SOURCE -o DATA_DIR``.

    Licence: that of your videos. People who can be recognised must have agreed to what you do with them.
    """

    LICENCE = "That of the videos it was made from."


class OmgPortraits(ClipsBuilder):
    """Synthetic portraits: rendered people with exact head parameters, cameras and mattes. Splits as rendered.

    How to obtain: render clips from MakeHuman's assets with experiments/make_portraits.py, then run
    ``omg dataset portraits CLIPS -o DATA_DIR``.

    Licence: CC0, as the assets are.
    """

    LICENCE = "CC0 1.0"


BUILDERS = {"vfhq": OmgVfhq, "hdtf": OmgHdtf, "clips": OmgClips, "portraits": OmgPortraits}


def build_dataset(kind: str, clips: str | Path, data_dir: str | Path) -> Built:
    """Makes the dataset omg_KIND below data_dir from folders of clips; does nothing where it is made of them already.

    An interrupted build leaves nothing that could be taken for a dataset; the same call makes it anew. A dataset made
    of other clips stays until the new one is complete.

    Raises:
        ValueError: there are no clips, none that can be read, or clips of several heads or sizes.
    """
    if kind not in BUILDERS:
        raise ValueError(f"unknown dataset {kind!r}; expected one of {', '.join(BUILDERS)}")
    tfds.disable_progress_bar()
    builder = BUILDERS[kind](data_dir=str(data_dir), file_format="array_record")
    folder = Path(builder.data_path)
    for unfinished in folder.parent.glob("incomplete.*"):
        shutil.rmtree(unfinished)
    indices = split_indices(Path(clips), builder.SPLITS)
    check_same_head(indices)
    if folder.is_dir() and _is_made_of(folder, indices):
        return _built(folder)
    config = tfds.download.DownloadConfig(manual_dir=str(clips))
    with _set_aside(folder), contextlib.redirect_stdout(io.StringIO()):  # it tells people where it writes to
        BUILDERS[kind](data_dir=str(data_dir), file_format="array_record").download_and_prepare(download_config=config)
    return _built(folder)


def frame_features() -> tfds.features.FeaturesDict:
    """The features of a frame's record, see schema.py."""
    sizes = {"shape_params": None, "expression_params": None, "eye_pose": 6}
    vectors = {name: (sizes.get(name, 3),) for name in HeadParams._fields}
    arrays = {**vectors, "world_to_camera": (4, 4), "intrinsics": (3, 3), **dict.fromkeys(TORSO_NAMES, (4, 4))}
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), dtype=np.uint8, encoding_format="jpeg"),
            "matte": tfds.features.Image(shape=(None, None, 1), dtype=np.uint8, encoding_format="png"),
            "clip": np.int32,
            "frame": np.int32,
            "frame_number": np.int32,
            **{name: tfds.features.Tensor(shape=shape, dtype=np.float32) for name, shape in arrays.items()},
        }
    )


def frame_record(clip: EncodedClip, number: int, frame: int) -> dict[str, Any]:
    """What the features encode of a clip's frame; number: the clip's place in the table."""
    arrays = {**clip.head_params._asdict(), **clip.camera._asdict(), **torso_arrays(clip.torso)}
    return {
        "image": io.BytesIO(clip.images[frame]),
        "matte": io.BytesIO(clip.mattes[frame]),
        "clip": number,
        "frame": frame,
        "frame_number": clip.origin.frame_numbers[frame],
        **dict.fromkeys(TORSO_NAMES, np.zeros((4, 4), np.float32)),
        **{name: np.asarray(array[frame], np.float32) for name, array in arrays.items()},
    }


def split_indices(root: Path, splits: tuple[str, ...]) -> dict[str, ClipIndex]:
    """The folders of clips below a manual directory, by split; ValueError where there are none."""
    if (root / INDEX_NAME).is_file():
        return {splits[0] if splits else "train": load_index(root)}
    names = splits or tuple(sorted(path.parent.name for path in root.glob(f"[!.]*/{INDEX_NAME}")))
    found = {name: load_index(root / name) for name in names if (root / name / INDEX_NAME).is_file()}
    if not found:
        wanted = " or ".join(f"{root / name}" for name in splits) if splits else f"{root} or a folder in it"
        raise ValueError(f"no clips found: expected {wanted} to be a folder of clips, with {INDEX_NAME}")
    return found


def check_same_head(indices: dict[str, ClipIndex]) -> None:
    """ValueError where splits hold parameters of several heads, or pictures of several sizes."""
    for what in ("head_sha256", "image_size"):
        values = {name: getattr(index, what) for name, index in indices.items()}
        if len(set(values.values())) > 1:
            raise ValueError(f"all splits of a dataset must have one {what}, got {values}")


def _read_or_reason(index: ClipIndex, number: int) -> EncodedClip | str:
    """A clip, or why there is none."""
    try:
        clip = read_encoded_clip(index.folder(number))
    except (ValueError, OSError) as error:
        return str(error)
    if clip.image_size != index.image_size:
        return f"its pictures have {clip.image_size} pixels, expected {index.image_size}"
    if len(clip.images) < 2:
        return "it has one frame only, and a pair needs two"
    return clip


@contextlib.contextmanager
def _set_aside(folder: Path) -> Iterator[None]:
    """Keeps an older dataset until a new one stands in its place, and brings it back where none does."""
    older = folder.with_name(f".older-{folder.name}")
    if folder.is_dir():
        shutil.rmtree(older, ignore_errors=True)
        folder.rename(older)
    try:
        yield
    finally:
        if folder.is_dir():
            shutil.rmtree(older, ignore_errors=True)
        elif older.is_dir():
            older.rename(folder)


def _built(folder: Path) -> Built:
    table = load_table(folder)
    return Built(
        folder=folder,
        num_frames={name: sum(clip.num_frames for clip in split.clips) for name, split in table.splits.items()},
        skipped={f"{name}/{clip}": why for name, split in table.splits.items() for clip, why in split.skipped.items()},
    )


def _is_made_of(folder: Path, indices: dict[str, ClipIndex]) -> bool:
    """Whether a dataset was made of these clips, by this schema, and none of its files was cut short since."""
    try:
        splits = load_table(folder).splits
        for name in splits:
            TfdsSource(folder, name)
    except (ValueError, KeyError, TypeError):
        return False
    return {name: split.index_sha256 for name, split in splits.items()} == {
        name: index.sha256 for name, index in indices.items()
    }
