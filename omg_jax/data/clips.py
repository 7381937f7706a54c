"""Clips on disk: frames of one person with mattes, head parameters, cameras and, where it was followed, the torso.

A dataset is a folder with index.json and one folder per clip; a clip is JPEG pictures, PNG mattes and one npz. A clip
folder appears by rename, so an interrupted writer leaves no half clip behind.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from omg_jax.data.pictures import decode_jpeg, decode_matte
from omg_jax.files import current_umask, json_object, replacing
from omg_jax.head.torso import TORSO_NAMES, torso_arrays, torso_of
from omg_jax.types import Camera, HeadParams, Torso

JPEG_QUALITY = 95
INDEX_NAME = "index.json"
INDEX_FORMAT = 1
PARAMS_NAME = "params.npz"
ORIGIN_KEY = "origin"
UNFINISHED_PREFIX = ".unfinished-"  # of a clip's folder while it is written
# numpy reads headers by ast.literal_eval, which fails at times where threads of Python 3.11 call it at once.
_ONE_READER = threading.Lock()


class Clip(NamedTuple):
    """Frames of one person, in numpy.

    images are sRGB on black, already multiplied by the matte; head_params, camera and torso have one leading axis of
    length T, and the cameras belong to the pictures' size. torso: None where it was not followed.
    """

    images: UInt8[np.ndarray, "t h w 3"]
    mattes: UInt8[np.ndarray, "t h w"]
    head_params: HeadParams
    camera: Camera
    torso: Torso | None = None


class Origin(NamedTuple):
    """Where a clip comes from: a video's name, its frames per second, and which of its frames the clip holds.

    fps is 0 where the frames are no sequence in time.
    """

    source: str
    fps: float
    frame_numbers: tuple[int, ...]


class EncodedClip(NamedTuple):
    """A clip as it lies on disk: its pictures are the bytes of JPEG files, its mattes those of PNG files."""

    images: tuple[bytes, ...]
    mattes: tuple[bytes, ...]
    head_params: HeadParams
    camera: Camera
    origin: Origin
    image_size: tuple[int, int]
    torso: Torso | None = None


class ClipIndex(NamedTuple):
    """What index.json says: whose parameters the clips hold, the pictures' (height, width), and the clips' folders.

    sha256 is that of index.json's bytes: it tells one dataset from another, wherever either lies, and clips from the
    same clips tracked anew.
    """

    root: Path
    head_name: str
    head_sha256: str
    image_size: tuple[int, int]
    names: tuple[str, ...]
    num_frames: tuple[int, ...]
    sha256: str

    def folder(self, index: int) -> Path:
        """Folder of clip number `index`."""
        return self.root / self.names[index]

    def frames(self, clip: int, frames: Sequence[int]) -> Clip:
        """Some frames of clip number `clip`, in the given order."""
        return load_clip(self.folder(clip), frames)

    def frame_numbers(self, clip: int) -> tuple[int, ...]:
        """Where the frames of clip number `clip` stand in its video; as they are counted, where it comes from none."""
        return _load_origin(self.folder(clip), self.num_frames[clip]).frame_numbers


def save_clip(folder: str | Path, clip: Clip, origin: Origin | None = None) -> None:
    """Writes a clip; `folder` (which must not exist) appears only when everything in it is written.

    origin: None where the frames come from no video, and are numbered as they stand.
    """
    folder = Path(folder)
    if folder.exists():
        raise ValueError(f"{folder} exists already; a clip is never overwritten, remove the folder first")
    origin = origin or Origin("", 0.0, tuple(range(len(clip.images))))
    _check(clip, origin)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED_PREFIX}{folder.name}-", dir=folder.parent))
    try:
        for index, (image, matte) in enumerate(zip(clip.images, clip.mattes, strict=True)):
            Image.fromarray(image).save(temporary / _image_name(index), quality=JPEG_QUALITY)
            Image.fromarray(matte).save(temporary / _matte_name(index))
        fields = {**clip.head_params._asdict(), **clip.camera._asdict(), **torso_arrays(clip.torso)}
        arrays = {name: np.asarray(value, np.float32) for name, value in fields.items()}
        np.savez(temporary / PARAMS_NAME, **arrays, **{ORIGIN_KEY: np.array(json.dumps(origin._asdict()))})
        temporary.chmod(0o777 & ~current_umask())
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_clip(folder: str | Path, frames: Sequence[int] | None = None) -> Clip:
    """Reads a clip, or only the given frames of it (in the given order, repeats allowed)."""
    folder = Path(folder)
    if not (folder / PARAMS_NAME).is_file():
        raise ValueError(f"{folder} is not a clip: it holds no {PARAMS_NAME}; expected a folder made by save_clip")
    arrays = _load_arrays(folder)
    total = arrays["world_to_camera"].shape[0]
    chosen = np.arange(total) if frames is None else np.asarray(frames, np.int64)
    rows = chosen.tolist()
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= total:
        raise ValueError(f"frames must lie in 0..{total - 1} of {folder}, got {rows}")
    return Clip(
        images=np.stack([_read(folder / _image_name(i), decode_jpeg) for i in rows]),
        mattes=np.stack([_read(folder / _matte_name(i), decode_matte) for i in rows]),
        head_params=HeadParams(**{name: arrays[name][chosen] for name in HeadParams._fields}),
        camera=Camera(**{name: arrays[name][chosen] for name in Camera._fields}),
        torso=torso_of({name: array[chosen] for name, array in arrays.items()}),
    )


def read_encoded_clip(folder: str | Path) -> EncodedClip:
    """Reads a whole clip without decoding its pictures.

    ValueError where a file is missing, damaged or cut short, or the clip's parts do not fit each other.
    """
    folder = Path(folder)
    arrays = _load_arrays(folder)
    count = arrays["world_to_camera"].shape[0]
    wrong = [name for name, array in arrays.items() if len(array) != count or not np.isfinite(array).all()]
    if wrong or count == 0:
        raise ValueError(f"{folder}: {wrong or PARAMS_NAME} must hold finite numbers for each of {count} frames")
    origin = _load_origin(folder, count)
    images = tuple(_read_complete(folder / _image_name(i), b"\xff\xd8", b"\xff\xd9") for i in range(count))
    mattes = tuple(_read_complete(folder / _matte_name(i), b"\x89PNG", b"IEND\xaeB`\x82") for i in range(count))
    sizes = {_picture_size(data) for data in (*images, *mattes)}
    if len(sizes) != 1:
        raise ValueError(f"{folder}: pictures and mattes of a clip must share one size, got {sorted(sizes)}")
    return EncodedClip(
        images=images,
        mattes=mattes,
        head_params=HeadParams(**{name: arrays[name] for name in HeadParams._fields}),
        camera=Camera(**{name: arrays[name] for name in Camera._fields}),
        origin=origin,
        image_size=sizes.pop(),
        torso=torso_of(arrays),
    )


def write_index(root: str | Path, head_name: str, head_sha256: str) -> ClipIndex:
    """Lists the finished clips below `root` in its index.json (replaced atomically), in the order of their names."""
    root = Path(root)
    names = sorted(path.parent.name for path in root.glob(f"[!.]*/{PARAMS_NAME}"))
    if not names:
        raise ValueError(f"{root} holds no clip; write some with save_clip before the index")
    sizes, clips = set(), []
    for name in names:
        count = len(list((root / name).glob("image_*.jpg")))
        params_sha256 = hashlib.sha256((root / name / PARAMS_NAME).read_bytes()).hexdigest()
        clips.append({"name": name, "num_frames": count, "params_sha256": params_sha256})
        with Image.open(root / name / _image_name(0)) as image:
            sizes.add((image.height, image.width))
    if len(sizes) != 1:
        raise ValueError(f"the clips of {root} must share one picture size, got {sorted(sizes)}")
    content = {
        "format": INDEX_FORMAT,
        "head_name": head_name,
        "head_sha256": head_sha256,
        "image_size": list(sizes.pop()),
        "clips": clips,
    }
    with replacing(root / INDEX_NAME) as path:
        path.write_text(json.dumps(content, indent=1))
    return load_index(root)


def load_index(root: str | Path) -> ClipIndex:
    """Reads a dataset's index.json."""
    root = Path(root)
    path = root / INDEX_NAME
    if not path.is_file():
        raise ValueError(f"{root} is not a dataset of clips: {INDEX_NAME} is missing; give the folder that holds it")
    text = path.read_bytes()
    content = json.loads(text)
    if content.get("format") != INDEX_FORMAT:
        raise ValueError(f"{path} has format {content.get('format')}, expected {INDEX_FORMAT}; render the dataset anew")
    return ClipIndex(
        root=root,
        head_name=content["head_name"],
        head_sha256=content["head_sha256"],
        image_size=tuple(content["image_size"]),
        names=tuple(clip["name"] for clip in content["clips"]),
        num_frames=tuple(clip["num_frames"] for clip in content["clips"]),
        sha256=hashlib.sha256(text).hexdigest(),
    )


def _check(clip: Clip, origin: Origin) -> None:
    parts = (clip.images, clip.mattes, *clip.head_params, *clip.camera, *(clip.torso or ()), origin.frame_numbers)
    counts = {len(part) for part in parts}
    if len(counts) != 1:
        raise ValueError(f"all parts of a clip must have the same number of frames, got {sorted(counts)}")
    if clip.images.shape[:3] != clip.mattes.shape:
        raise ValueError(f"images {clip.images.shape} and mattes {clip.mattes.shape} of a clip must agree in size")


def _load_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Head parameters, cameras and torso of a clip; ValueError where they cannot be read."""
    try:
        with _ONE_READER, np.load(folder / PARAMS_NAME, allow_pickle=False) as archive:
            names = [name for name in TORSO_NAMES if name in archive.files]
            return {name: archive[name] for name in (*HeadParams._fields, *Camera._fields, *names)}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{folder / PARAMS_NAME} is missing, damaged or cut short ({error})") from error


def _load_origin(folder: Path, count: int) -> Origin:
    with np.load(folder / PARAMS_NAME, allow_pickle=False) as archive:
        fields = json_object(str(archive[ORIGIN_KEY])) if ORIGIN_KEY in archive.files else {}
    numbers = tuple(int(number) for number in fields.get("frame_numbers", range(count)))
    if len(numbers) != count:
        raise ValueError(f"{folder}: expected the numbers of {count} frames, got {len(numbers)}")
    return Origin(fields.get("source", ""), float(fields.get("fps", 0.0)), numbers)


def _read(path: Path, decode: Callable[[bytes], np.ndarray]) -> np.ndarray:
    try:
        return decode(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); remove its clip's folder, and make it and the index anew"
        ) from error


def _read_complete(path: Path, start: bytes, end: bytes) -> bytes:
    data = path.read_bytes() if path.is_file() else b""
    if not (data.startswith(start) and data.endswith(end)):
        raise ValueError(f"{path} is {'cut short or damaged' if data else 'missing or empty'}")
    return data


def _picture_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.height, image.width


def _image_name(index: int) -> str:
    return f"image_{index:04d}.jpg"


def _matte_name(index: int) -> str:
    return f"matte_{index:04d}.png"
