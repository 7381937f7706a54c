"""The public clips: three videos of the assets registry, tracked and cut out by us, which everyone can evaluate on."""

import os
import shutil
import tempfile
from pathlib import Path

import jax
import numpy as np

from omg_jax.assets.registry import asset_path, cache_folder
from omg_jax.data.clips import Clip, Origin, save_clip, write_index
from omg_jax.head.load import Head
from omg_jax.tracking.crop import draw_portrait
from omg_jax.tracking.face_mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.matte import PortraitMatte
from omg_jax.tracking.people import Told, tell_nobody
from omg_jax.tracking.reduce import check_trackable
from omg_jax.tracking.solve import bridge_gaps, fit_in_window, solution_motion, solve, spread
from omg_jax.tracking.torso import follow_torso
from omg_jax.tracking.video import video_frames, video_info

PUBLIC_CLIPS = ("franck", "cap12", "carphone")
VERSION = 3  # goes up when other frames are chosen, or they are tracked or cut out otherwise
NUM_TARGETS = 50
# Of the distance of the outer corners of the eyes: frames that hardly differ from the photo tell nothing apart.
MIN_MOTION = 0.1


def public_clips(head: Head, told: Told = tell_nobody) -> Path:
    """The folder of the public clips, tracked with a head; made once, in the cache of downloads.

    A clip's frame 0 is the video's first; its others are NUM_TARGETS of those that moved by MIN_MOTION, evenly spread.
    The head's shape is fitted to frame 0 alone.

    AssetError where a video cannot be had; ValueError where the head has no landmarks.
    """
    folder = cache_folder() / f"evaluation-public-v{VERSION}-{head.sha256[:12]}"
    if folder.is_dir():
        return folder
    check_trackable(head)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name in PUBLIC_CLIPS:
            save_clip(temporary / name, *public_clip(name, head, told))
        write_index(temporary, head.name, head.sha256)
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def public_clip(name: str, head: Head, told: Told = tell_nobody) -> tuple[Clip, Origin]:
    """One of the public clips, from its video."""
    path = asset_path(name)
    info = video_info(path)
    landmarker, found = FaceLandmarker(), []
    for frame in video_frames(path):
        found.append(landmarker(frame, next((seen for seen in reversed(found) if seen), None)))
        told(f"looking at {name}", len(found), info.num_frames)
    moved = [index for index, seen in enumerate(found) if seen and motion(seen, found[0]) > MIN_MOTION]
    chosen = [0, *(moved[index] for index in spread(len(moved), NUM_TARGETS))]
    landmarks = [found[index] for index in chosen]
    solution = solve(landmarks, head, shape=solve(landmarks[:1], head).shape)
    tracked = solution_motion(solution, head, info.fps, name)
    matte, images, mattes = PortraitMatte(), [], []
    everywhere = fit_in_window(bridge_gaps(found), head, solution.window, solution.shape)
    followed = solution_motion(everywhere, head, info.fps, name)
    torso = follow_torso(video_frames(path), found, solution.window, followed, head, matte)
    for index, frame in enumerate(video_frames(path)):
        if index in chosen:
            portrait = draw_portrait(frame, solution.window)
            share = matte(portrait)
            images.append(np.round(portrait * share[..., None]).astype(np.uint8))
            mattes.append(np.round(share * 255.0).astype(np.uint8))
    torso = jax.tree.map(lambda x: x[chosen], torso)
    clip = Clip(np.stack(images), np.stack(mattes), tracked.head_params, tracked.camera, torso)
    return clip, Origin(name, info.fps, tuple(chosen))


def motion(seen: FaceLandmarks, first: FaceLandmarks) -> float:
    """The landmarks' mean way in the picture since the first frame, over the distance of its eyes' outer corners."""
    eyes = first.points[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER], :2]
    ways = np.linalg.norm(seen.points[:, :2] - first.points[:, :2], axis=-1)
    return float(ways.mean() / np.linalg.norm(eyes[0] - eyes[1]))
