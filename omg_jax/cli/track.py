"""``omg track``: a photo or a video to a motion file."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from omg_jax.cli.console import console, progress_bar, report
from omg_jax.cli.inputs import read_photo
from omg_jax.head.load import Head, load_head
from omg_jax.tracking.motion import Motion, save_motion
from omg_jax.tracking.track import photo_motion, track_motion, track_photo

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def track(
    source: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    head: str = "arkit",
    max_frames: int | None = None,
    json: bool = False,
) -> None:
    """A photo or a video to a motion file: head parameters and camera of every frame.

    Args:
        source: A video, or a JPEG or PNG photo, with at least one face; of several the largest is taken.
        output: The motion file to write, NAME.npz.
        head: The head model: arkit, or flame:PATH with a FLAME .pkl or .npz file.
        max_frames: Stop after this many frames of a video.
        json: Print one JSON object.
    """
    if output.suffix != ".npz":
        raise ValueError(f"a motion file's name must end in .npz, got {output}")
    motion = measure(source, load_head(head), max_frames)
    save_motion(output, motion)
    frames = np.shape(motion.camera.world_to_camera)[0]
    report({"motion": str(output), "frames": frames, "fps": motion.fps, "head": motion.head_name}, as_json=json)


def measure(source: Path, head: Head, max_frames: int | None) -> Motion:
    """The motion of a photo (one frame) or of a video."""
    if source.suffix.lower() in PHOTO_SUFFIXES:
        with console.status("tracking the photo"):
            return photo_motion(track_photo(read_photo(source), head), head, source.name)
    with progress_bar() as progress:
        return track_motion(source, head, progress, max_frames)
