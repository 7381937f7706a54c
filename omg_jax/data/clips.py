"""Clips on disk: frames of one person with mattes, head parameters and cameras.

A dataset is a folder with index.json and one folder per clip; a clip is JPEG pictures, PNG mattes and one npz. A clip
folder appears by rename, so an interrupted writer leaves no half clip behind.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from omg_jax.files import current_umask, replacing
from omg_jax.types import Camera, HeadParams

JPEG_QUALITY = 95
INDEX_NAME = "index.json"
INDEX_FORMAT = 1
PARAMS_NAME = "params.npz"


class Clip(NamedTuple):
    """Frames of one person, in numpy.

    images are sRGB on black, already multiplied by the matte; head_params and camera have one leading axis of length T,
    and the cameras belong to the pictures' size.
    """

    images: UInt8[np.ndarray, "t h w 3"]
    mattes: UInt8[np.ndarray, "t h w"]
    head_params: HeadParams
    camera: Camera


class ClipIndex(NamedTuple):
    """What index.json says: whose parameters the clips hold, the pictures' (height, width), and the clips' folders.

    sha256 is that of index.json's bytes: it tells one dataset from another, wherever either lies.
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


def save_clip(folder: str | Path, clip: Clip) -> None:
    """Writes a clip; `folder` (which must not exist) appears only when everything in it is written."""
    folder = Path(folder)
    if folder.exists():
        raise ValueError(f"{folder} exists already; a clip is never overwritten, remove the folder first")
    _check(clip)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for index, (image, matte) in enumerate(zip(clip.images, clip.mattes, strict=True)):
            Image.fromarray(image).save(temporary / _image_name(index), quality=JPEG_QUALITY)
            Image.fromarray(matte).save(temporary / _matte_name(index))
        fields = {**clip.head_params._asdict(), **clip.camera._asdict()}
        np.savez(temporary / PARAMS_NAME, **{name: np.asarray(value, np.float32) for name, value in fields.items()})
        temporary.chmod(0o777 & ~current_umask())
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_clip(folder: str | Path, frames: Sequence[int] | None = None) -> Clip:
    """Reads a clip, or only the given frames of it (in the given order, repeats allowed)."""
    folder = Path(folder)
    if not (folder / PARAMS_NAME).is_file():
        raise ValueError(f"{folder} is not a clip: it holds no {PARAMS_NAME}; expected a folder made by save_clip")
    with np.load(folder / PARAMS_NAME) as archive:
        arrays = dict(archive)
    total = arrays["world_to_camera"].shape[0]
    chosen = np.arange(total) if frames is None else np.asarray(frames, np.int64)
    rows = chosen.tolist()
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= total:
        raise ValueError(f"frames must lie in 0..{total - 1} of {folder}, got {rows}")
    return Clip(
        images=np.stack([_read(folder / _image_name(i), "RGB") for i in rows]),
        mattes=np.stack([_read(folder / _matte_name(i), "L") for i in rows]),
        head_params=HeadParams(**{name: arrays[name][chosen] for name in HeadParams._fields}),
        camera=Camera(**{name: arrays[name][chosen] for name in Camera._fields}),
    )


def write_index(root: str | Path, head_name: str, head_sha256: str) -> ClipIndex:
    """Lists the finished clips below `root` in its index.json (replaced atomically), in the order of their names."""
    root = Path(root)
    names = sorted(path.parent.name for path in root.glob(f"[!.]*/{PARAMS_NAME}"))
    if not names:
        raise ValueError(f"{root} holds no clip; write some with save_clip before the index")
    sizes, counts = set(), []
    for name in names:
        counts.append(len(list((root / name).glob("image_*.jpg"))))
        with Image.open(root / name / _image_name(0)) as image:
            sizes.add((image.height, image.width))
    if len(sizes) != 1:
        raise ValueError(f"the clips of {root} must share one picture size, got {sorted(sizes)}")
    content = {
        "format": INDEX_FORMAT,
        "head_name": head_name,
        "head_sha256": head_sha256,
        "image_size": list(sizes.pop()),
        "clips": [{"name": name, "num_frames": count} for name, count in zip(names, counts, strict=True)],
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


def _check(clip: Clip) -> None:
    counts = {len(clip.images), len(clip.mattes), *(len(x) for x in clip.head_params), *(len(x) for x in clip.camera)}
    if len(counts) != 1:
        raise ValueError(f"all parts of a clip must have the same number of frames, got {sorted(counts)}")
    if clip.images.shape[:3] != clip.mattes.shape:
        raise ValueError(f"images {clip.images.shape} and mattes {clip.mattes.shape} of a clip must agree in size")


def _read(path: Path, mode: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode))


def _image_name(index: int) -> str:
    return f"image_{index:04d}.jpg"


def _matte_name(index: int) -> str:
    return f"matte_{index:04d}.png"
