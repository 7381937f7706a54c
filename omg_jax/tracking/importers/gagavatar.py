"""Reads what GAGAvatar's tracker writes: optim.pkl or smoothed.pkl, and the pictures in img_lmdb.

Source convention: a pickled dict from a frame's key "VIDEO_FRAME" to float32 arrays shapecode [300], expcode [100],
posecode [6] (global, jaw), eyecode [6] (left, right) of FLAME 2020, and transform_matrix [3, 4] = [R | T] of PyTorch3D,
where row vectors give x_view = x_world R + T with x to the left, y up and z forward, in metres x 5. The focal length is
12 half pictures. img_lmdb holds an encoded picture per key, 512 x 512 on black.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError

from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.array_pickle import read_array_pickle
from omg_jax.tracking.importers.track import PORTRAIT_SIZE, ImportedTrack, Picture
from omg_jax.types import Camera, HeadParams

TRACKER, EDITION, FPS = "GAGAvatar_track", "2020", 25.0
FILE_NAMES = ("smoothed.pkl", "optim.pkl")  # the first that is there
LMDB_NAME = "img_lmdb"
SHAPES = {
    "shapecode": (300,),
    "expcode": (100,),
    "posecode": (6,),
    "eyecode": (6,),
    "transform_matrix": (3, 4),
}
PYTORCH3D_TO_OPENCV = np.diag([-1.0, -1.0, 1.0])  # x left, y up -> x right, y down
ORTHONORMAL = 1e-3  # how far R R^T may be from the identity: float32, through a smoothing over time


def is_gagavatar(source: Path) -> bool:
    """Whether a path looks like this tracker's output: a folder with its pickle, or the pickle."""
    return source.suffix == ".pkl" or any((source / name).is_file() for name in FILE_NAMES)


def read_gagavatar(source: Path) -> list[ImportedTrack]:
    """The tracks in a folder, or in one pickle, in the order of their videos' names.

    ValueError where a file is damaged, holds anything but arrays, or has another layout.
    """
    path = source if source.is_file() else next((source / n for n in FILE_NAMES if (source / n).is_file()), None)
    if path is None:
        raise ValueError(f"{source} is no output of {TRACKER}: expected {' or '.join(FILE_NAMES)} in it")
    records = read_array_pickle(path)
    if not isinstance(records, dict) or not records:
        raise ValueError(f"{path} is no output of {TRACKER}: expected a dict of frames, got {type(records).__name__}")
    for key, record in records.items():
        _check_record(path, key, record)
    videos: dict[str, list[str]] = {}
    for key in records:
        videos.setdefault(_video_and_frame(key)[0], []).append(key)
    read_bytes = _open_pictures(path.parent / LMDB_NAME)
    return [
        _track(video, sorted(keys, key=_frame_order), records, read_bytes) for video, keys in sorted(videos.items())
    ]


def opencv_camera(transform: Float[np.ndarray, "t 3 4"]) -> Camera:
    """Cameras of PyTorch3D's [R | T] (row vectors), for the paper's picture of 512 x 512."""
    rotation, translation = transform[..., :3].astype(np.float64), transform[..., 3].astype(np.float64)
    matrix = np.tile(np.eye(4), (len(transform), 1, 1))
    matrix[:, :3, :3] = PYTORCH3D_TO_OPENCV @ rotation.transpose(0, 2, 1)
    matrix[:, :3, 3] = translation @ PYTORCH3D_TO_OPENCV
    intrinsics = np.asarray(portrait_intrinsics((PORTRAIT_SIZE, PORTRAIT_SIZE)))
    return Camera(matrix.astype(np.float32), np.tile(intrinsics, (len(transform), 1, 1)))


def _track(
    video: str, keys: list[str], records: dict[str, dict], read_bytes: Callable[[str], bytes] | None
) -> ImportedTrack:
    codes = {name: np.stack([np.asarray(records[key][name], np.float32) for key in keys]) for name in SHAPES}
    zeros = np.zeros((len(keys), 3), np.float32)
    return ImportedTrack(
        name=video,
        tracker=TRACKER,
        edition=EDITION,
        head_params=HeadParams(
            shape_params=codes["shapecode"],
            expression_params=codes["expcode"],
            global_rotation=codes["posecode"][:, :3],
            neck_pose=zeros,
            jaw_pose=codes["posecode"][:, 3:],
            eye_pose=codes["eyecode"],
            translation=zeros,
        ),
        camera=opencv_camera(codes["transform_matrix"]),
        image_size=(PORTRAIT_SIZE, PORTRAIT_SIZE),
        fps=FPS,
        frame_numbers=tuple(_frame_number(key, place) for place, key in enumerate(keys)),
        is_portrait=True,
        picture=None if read_bytes is None else lambda frame: _decode(keys[frame], read_bytes(keys[frame])),
        vertex_offsets=None,
    )


def _check_record(path: Path, key: Any, record: Any) -> None:
    if not isinstance(key, str) or not isinstance(record, dict):
        raise ValueError(f"{path} is no output of {TRACKER}: expected dicts by frame names, got {key!r}")
    if "emica_results" in record:
        raise ValueError(f"{path} holds first guesses (base.pkl): give {' or '.join(FILE_NAMES)} of the same folder")
    for name, shape in SHAPES.items():
        if name not in record:
            raise ValueError(
                f"{path}: frame {key} lacks {name}; expected {', '.join(SHAPES)}, as {TRACKER} writes them, got "
                f"{', '.join(map(str, record))}"
            )
        value = np.asarray(record[name])
        if value.shape != shape or value.dtype.kind != "f" or not np.isfinite(value).all():
            raise ValueError(
                f"{path}: {name} of frame {key} must be finite numbers of shape {shape}, as FLAME {EDITION} and "
                f"{TRACKER} have it, got shape {value.shape}: the file is of another tracker or head model"
            )
    rotation = np.asarray(record["transform_matrix"])[:, :3].astype(np.float64)
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > ORTHONORMAL or np.linalg.det(rotation) < 0:
        raise ValueError(f"{path}: transform_matrix of frame {key} holds no rotation; expected PyTorch3D's [R | T]")


def _video_and_frame(key: str) -> tuple[str, str]:
    """ "clip_12" is frame 12 of clip; a photo's name, without a number, is its own video."""
    video, _, frame = key.rpartition("_")
    return (video, frame) if video and frame.isdigit() else (key, "")


def _frame_order(key: str) -> tuple[int, str]:
    frame = _video_and_frame(key)[1]
    return (int(frame) if frame else 0, key)


def _frame_number(key: str, place: int) -> int:
    frame = _video_and_frame(key)[1]
    return int(frame) if frame else place


def _open_pictures(folder: Path) -> Callable[[str], bytes] | None:
    """A function from a key to an encoded picture; None where there is no database."""
    if not folder.exists():
        return None

    def read_bytes(key: str) -> bytes:
        with _open_lmdb(folder) as database, database.begin() as transaction:
            data = transaction.get(key.encode())
        if data is None:
            raise ValueError(f"{folder} holds no picture of frame {key}")
        return data

    return read_bytes


def _open_lmdb(folder: Path):
    try:
        import lmdb
    except ImportError as error:
        raise ImportError(f"reading the pictures in {folder} needs lmdb: pip install 'omg_jax[lmdb]'") from error
    try:
        return lmdb.open(str(folder), subdir=folder.is_dir(), readonly=True, lock=False, readahead=False, max_dbs=0)
    except lmdb.Error as error:
        raise ValueError(f"{folder} is no readable LMDB ({error}); copy it again") from error


def _decode(key: str, data: bytes) -> Picture:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return Picture(np.asarray(image.convert("RGB")), None)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(
            f"the picture of frame {key} is no readable JPEG or PNG; pictures saved by torch.save are not read here"
        ) from error
