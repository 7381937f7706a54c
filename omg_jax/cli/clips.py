"""What the subcommands that write clips share: a tracked video as a clip, and the staging of many with a display."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from omg_jax.cli.console import note, progress_bar
from omg_jax.data.clips import Clip, Origin
from omg_jax.data.sampling import ChooseFrames, keep_frames
from omg_jax.data.staging import LoadClip, stage_clips
from omg_jax.head.load import Head, load_head

READABLE_SHARE = 0.9  # of the frames that a header claims; some claim a few too many


def video_clip(path: Path, head: str, choose: ChooseFrames) -> tuple[Clip, Origin]:
    """The chosen frames of a video, tracked whole, as portraits on black. head: the name of a head model."""
    from omg_jax.tracking.track import track_video  # needs the extra "tracking"
    from omg_jax.tracking.video import video_info

    tracked, claimed = track_video(path, _head(head)), video_info(path).num_frames
    check_complete(path, len(tracked.images), claimed)
    matte = tracked.mattes[..., None] / np.float32(255)
    images = np.stack([np.round(image * m).astype(np.uint8) for image, m in zip(tracked.images, matte, strict=True)])
    motion = tracked.motion
    clip = Clip(images, tracked.mattes, motion.head_params, motion.camera)
    return keep_frames(clip, Origin(path.name, motion.fps, tuple(range(len(images)))), choose(len(images)))


def check_complete(path: Path, found: int, claimed: int) -> None:
    """ValueError where far fewer frames of a video can be read than its header claims."""
    if found < READABLE_SHARE * claimed:
        raise ValueError(f"{path} is cut short: {found} of its {claimed} frames can be read; get the file again")


def stage(items: Mapping[str, Any], folder: Path, load: LoadClip, workers: int) -> dict[str, str]:
    """Stages clips with a progress bar, and notes each that failed; returns those, and why."""
    with progress_bar() as progress:
        task = progress.add_task(f"clips of {folder.name}", total=len(items))
        progress.advance(task, sum((folder / name).exists() for name in items))

        def on_done(name: str, reason: str | None) -> None:
            progress.advance(task)
            if reason is not None:
                note(f"left out {name}: {reason}")

        return stage_clips(items, folder, load, workers, on_done)


@functools.cache
def _head(spec: str) -> Head:
    """Loaded once in each process."""
    return load_head(spec)
