"""``omg track``: a photo or a video to a motion file."""

from pathlib import Path
from typing import Annotated

import tyro

from omg_jax.cli.console import report
from omg_jax.cli.inputs import check_max_frames, read_photo, track_clip, track_portrait
from omg_jax.cli.playback import num_frames
from omg_jax.head.load import Head, load_head
from omg_jax.tracking.motion import Motion, save_motion
from omg_jax.tracking.track import photo_motion

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
        head: The head model: arkit. FLAME heads (flame:PATH) cannot be tracked yet.
        max_frames: Stop after this many frames of a video.
        json: Print one JSON object.
    """
    if output.suffix != ".npz":
        raise ValueError(f"a motion file's name must end in .npz, got {output}")
    check_max_frames(max_frames)
    motion, faces = measure(source, load_head(head), max_frames)
    save_motion(output, motion)
    report(
        {
            "motion": str(output),
            "frames": num_frames(motion),
            "fps": motion.fps,
            "head": motion.head_name,
            **faces,
        },
        as_json=json,
    )


def measure(source: Path, head: Head, max_frames: int | None) -> tuple[Motion, dict[str, int]]:
    """The motion of a photo (one frame) or of a video, and what the report says of the faces in it."""
    if source.suffix.lower() in PHOTO_SUFFIXES:
        tracked = track_portrait(read_photo(source), head, source)
        return photo_motion(tracked, head, source.name), {"faces_in_photo": tracked.num_faces}
    return track_clip(source, head, max_frames)
