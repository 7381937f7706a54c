"""What the subcommands that write clips share: a tracked video as a clip, and the staging of many with a display."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from omg_jax.cli.console import note, progress_bar
from omg_jax.data.clips import Clip, Origin
from omg_jax.data.sampling import ChooseFrames
from omg_jax.data.staging import LoadClip, stage_clips
from omg_jax.head.load import Head, load_head

READABLE_SHARE = 0.9  # of the frames that a header claims; some claim a few too many


def video_clip(path: Path, head: str, choose: ChooseFrames) -> tuple[Clip, Origin]:
    """The chosen frames of a video as portraits on black, tracked whole: of the shot and person seen longest.

    head: the name of a head model.
    """
    # They need the extra "tracking".
    from omg_jax.tracking.matte import PortraitMatte
    from omg_jax.tracking.track import portraits, track_motion
    from omg_jax.tracking.video import video_info

    tracked, info = track_motion(path, _head(head)), video_info(path)
    first, stop = tracked.frames.start, tracked.frames.stop
    if tracked.num_shots == 1:
        check_complete(path, stop, info.num_frames)
    chosen, matte, images, mattes = choose(stop - first), PortraitMatte(), [], []
    wanted = set(chosen)
    for index, portrait in enumerate(portraits(path, tracked)):
        if index in wanted:
            share = matte(portrait)
            images.append(np.round(portrait * share[..., None]).astype(np.uint8))
            mattes.append(np.round(share * 255.0).astype(np.uint8))
    rows = list(chosen)
    motion = tracked.motion
    params, camera, torso = jax.tree.map(lambda x: x[rows], (motion.head_params, motion.camera, motion.torso))
    origin = Origin(path.name, motion.fps, tuple(first + row for row in rows))
    return Clip(np.stack(images), np.stack(mattes), params, camera, torso), origin


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
