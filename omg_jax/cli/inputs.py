"""Reads what a command is given, photos and drivers, and says what is odd about them."""

from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError

from omg_jax.cli.console import console, note, progress_bar, telling
from omg_jax.head.load import Head
from omg_jax.tracking.motion import Motion, load_motion
from omg_jax.tracking.track import TrackedClip, TrackedPhoto, track_motion, track_photo

MIN_PHOTO_SIZE = 64  # pixels; below this the face detector's input is mostly invented
MIN_FACE_WIDTH = 80  # pixels; the portrait crop enlarges a smaller face nearly threefold or more


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


def track_portrait(photo: Float[np.ndarray, "h w 3"], head: Head, path: Path) -> TrackedPhoto:
    """The tracked head of the photo at a path; notes where it is the largest of several faces, or a small one."""
    with console.status("tracking the photo"):
        tracked = track_photo(photo, head, str(path))
    if tracked.num_faces > 1:
        note(f"{path} shows {tracked.num_faces} faces: the largest one is taken")
    if tracked.face_width < MIN_FACE_WIDTH:
        note(
            f"the face in {path} is only {tracked.face_width:.0f} pixels across: give a photo with a face of at least "
            f"{MIN_FACE_WIDTH} pixels for a sharper avatar"
        )
    return tracked


def read_driver(path: Path, head: Head, max_frames: int | None = None) -> tuple[Motion, dict[str, int]]:
    """The motion in a motion file (.npz), or that of a video, as track_clip.

    ValueError where neither kind of file can be read.
    """
    if path.suffix == ".npz":
        return load_motion(path, head), {}
    return track_clip(path, head, max_frames)


def track_clip(path: Path, head: Head, max_frames: int | None = None) -> tuple[Motion, dict[str, int]]:
    """The motion of a video's first frames (None: of all), and what a report says of its faces (see face_facts)."""
    with progress_bar() as progress:
        tracked = track_motion(path, head, telling(progress), max_frames)
    return tracked.motion, face_facts(tracked)


def face_facts(tracked: TrackedClip) -> dict[str, int]:
    """What a report says of a tracked clip; notes where it is one of several shots or people, or has lost frames."""
    source, quality, (start, stop) = tracked.motion.source, tracked.quality, tracked.frames
    if tracked.num_shots > 1:
        note(f"{source} has {tracked.num_shots} shots: frames {start} to {stop - 1} are taken, where a face is longest")
    if quality.faces > 1:
        note(f"{source} shows up to {quality.faces} faces: one of its first frame is followed")
    if quality.lost_frames:
        note(
            f"{source} shows no face in {quality.lost_frames} of {quality.frames} frames: there the head moves on the "
            "way between its neighbours"
        )
    return {"faces_in_video": quality.faces, "frames_without_face": quality.lost_frames}


def check_max_frames(max_frames: int | None) -> None:
    """ValueError where less than one frame is asked for; None stands for all."""
    if max_frames is not None and max_frames < 1:
        raise ValueError(f"--max-frames must be at least 1, got {max_frames}; leave it out to take all frames")


def check_positive(option: str, number: float | None) -> None:
    """ValueError where an option's number is not above zero; None stands for its default."""
    if number is not None and not 0.0 < number < float("inf"):
        raise ValueError(f"{option}: expected positive, got {number}; leave it out for the default")


def demo_motion(head: Head) -> Motion:
    """The motion that ships with the package: head parameters measured from a clip of a man who talks."""
    with resources.as_file(resources.files("omg_jax").joinpath("assets", "demo_motion.npz")) as path:
        return load_motion(path, head)
