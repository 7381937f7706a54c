"""Reads what a command is given: photos and drivers."""

from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError

from omg_jax.cli.console import progress_bar
from omg_jax.head.load import Head
from omg_jax.tracking.motion import Motion, load_motion
from omg_jax.tracking.track import track_motion

MIN_PHOTO_SIZE = 64  # pixels; below this the face detector's input is mostly invented


def read_photo(path: Path) -> Float[np.ndarray, "h w 3"]:
    """An RGB photo in [0, 1], turned upright as its EXIF data says.

    ValueError where the file is missing, is no picture, or is smaller than MIN_PHOTO_SIZE.
    """
    if not path.is_file():
        raise ValueError(f"no photo at {path}; name a JPEG or PNG file")
    try:
        with Image.open(path) as picture:
            photo = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is not a readable picture; name a JPEG or PNG file") from error
    if min(photo.size) < MIN_PHOTO_SIZE:
        raise ValueError(
            f"{path} is {photo.width}x{photo.height} pixels; expected at least {MIN_PHOTO_SIZE} along each side: "
            f"give a larger photo"
        )
    return np.asarray(photo, np.float32) / 255.0


def read_driver(path: Path, head: Head) -> Motion:
    """The motion in a motion file (.npz), or tracked from a video; ValueError where neither can be read."""
    if path.suffix == ".npz":
        return load_motion(path, head)
    with progress_bar() as progress:
        return track_motion(path, head, progress)


def demo_motion(head: Head) -> Motion:
    """The motion that ships with the package: head parameters measured from a clip of a man who talks."""
    with resources.as_file(resources.files("omg_jax").joinpath("assets", "demo_motion.npz")) as path:
        return load_motion(path, head)
