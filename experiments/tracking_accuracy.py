"""How closely the tracked head's landmarks lie on the landmark net's, on real clips: experiments/results/tracking.json.

    python experiments/tracking_accuracy.py [--overlays FOLDER]

Errors are distances in the picture over the distance of the outer eye corners (IOD, with the net's z, so that it does
not shrink as the head turns), of landmarks whose surface faces the camera. They are measured against the net itself:
a bias of the net does not show. With --overlays, pictures of the mesh over some frames are written there; they show
the clips' footage, whose rights are not stated, so they are not for publication.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image
from record import write_result

from omg_jax.assets.registry import asset_path
from omg_jax.head.load import Head, load_head
from omg_jax.tracking.crop import PORTRAIT_SIZE, draw_portrait
from omg_jax.tracking.face_mesh import (
    INNER_LIPS,
    LEFT_EYELIDS,
    LEFT_IRIS,
    OUTER_LIPS,
    RIGHT_EYELIDS,
    RIGHT_IRIS,
)
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.overlay import overlay_head
from omg_jax.tracking.quality import Comparison, compare, trembling
from omg_jax.tracking.solve import Solution, solution_motion, solve, solve_clip, spread
from omg_jax.tracking.video import video_frames, video_info

# Clip -> frames spread over it that are measured, and consecutive frames on which smoothing is measured, from where.
SPREAD_FRAMES = {"franck": 100, "cap12": 50, "carphone": 50}
CONSECUTIVE = {"franck": (300, 120), "cap12": (300, 120), "carphone": (0, 120)}
NUM_OVERLAYS = 6
REGIONS = {
    "eyelids": RIGHT_EYELIDS + LEFT_EYELIDS,
    "irises": RIGHT_IRIS + LEFT_IRIS,
    "mouth": OUTER_LIPS + INNER_LIPS,
    "nose": (1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 115, 168, 195, 197, 220, 275, 278, 294, 326, 327, 344, 440),
    "eyebrows": (46, 52, 53, 55, 63, 65, 66, 70, 105, 107, 276, 282, 283, 285, 293, 295, 296, 300, 334, 336),
    "jaw": (58, 93, 132, 136, 148, 149, 150, 152, 172, 176, 234, 288, 323, 361, 365, 377, 378, 379, 397, 400, 454),
}


@dataclass
class Options:
    """Which clips to measure."""

    clips: tuple[str, ...] = ("franck", "cap12", "carphone")
    """Names of clips in the assets registry."""
    overlays: Path | None = None
    """Folder for pictures of the mesh over frames of the clips."""


class Sample(NamedTuple):
    """Frames of a clip with what the nets saw in them."""

    frames: list[np.ndarray]
    landmarks: list[FaceLandmarks]
    net_milliseconds: float


def look(clip: str, indices: list[int]) -> Sample:
    """Decodes a clip and runs the nets on the chosen frames that show a face."""
    landmarker, chosen, frames, landmarks, seconds = FaceLandmarker(), set(indices), [], [], 0.0
    for index, frame in enumerate(video_frames(asset_path(clip), max(indices) + 1)):
        if index in chosen:
            start = time.process_time()
            seen = landmarker(frame, landmarks[-1] if landmarks and index - 1 in chosen else None)
            seconds += time.process_time() - start
            if seen is not None:
                frames.append(frame)
                landmarks.append(seen)
    return Sample(frames, landmarks, 1000.0 * seconds / len(indices))


def summary(fit: Comparison) -> dict:
    """Median and 95th percentile over visible landmarks of all frames, and medians by region."""

    def of(statistic, columns) -> float:
        return round(float(statistic(fit.errors[:, columns][fit.visible[:, columns]])), 3)

    everything = list(range(fit.errors.shape[1]))
    return {
        "median": of(np.median, everything),
        "p95": of(lambda errors: np.percentile(errors, 95), everything),
        "median_by_region": {name: of(np.median, list(ids)) for name, ids in REGIONS.items()},
    }


def accuracy(sample: Sample, head: Head) -> tuple[Solution, dict]:
    """Errors with the shape of the whole clip, and with the shape of its first frame alone."""
    whole = solve(sample.landmarks, head)
    first = solve(sample.landmarks[:1], head)
    from_first = solve(sample.landmarks, head, shape=first.shape)
    start = time.process_time()
    jax.block_until_ready(solve(sample.landmarks, head, shape=first.shape).frames)
    milliseconds = 1000.0 * (time.process_time() - start) / len(sample.landmarks)
    depth = float(jnp.median(whole.frames.translation[:, 2]))
    fit = compare(whole, sample.landmarks, head)
    return whole, {
        "frames": len(sample.landmarks),
        "shape_of_clip": summary(fit),
        "shape_of_first_frame": summary(compare(from_first, sample.landmarks, head)),
        "median_iod_px": round(float(np.median(fit.iod)), 1),
        "median_depth": round(depth, 2),
        "net_cpu_ms_per_frame": round(sample.net_milliseconds, 1),
        "fit_cpu_ms_per_frame": round(milliseconds, 1),
    }


def smoothing(clip: str, head: Head) -> dict:
    """What the fit over time does on consecutive frames: mean second difference of the landmarks, and error.

    Both in percent of IOD; also the CPU time of a frame, nets and fit, where the faces are followed.
    """
    start, count = CONSECUTIVE[clip]
    sample = look(clip, list(range(start, start + count)))
    alone = compare(solve(sample.landmarks, head), sample.landmarks, head)
    shape = solve_clip(sample.landmarks, head).shape
    begin = time.process_time()
    solution = solve_clip(sample.landmarks, head, shape)
    milliseconds = 1000.0 * (time.process_time() - begin) / len(sample.landmarks)
    together = compare(solution, sample.landmarks, head)

    def second_difference(points: np.ndarray) -> float:
        return round(float(trembling(points).mean() / alone.iod.mean() * 100.0), 3)

    return {
        "second_difference": {
            "net": second_difference(alone.seen),
            "fit": second_difference(alone.fitted),
            "smoothed": second_difference(together.fitted),
        },
        "median_error": {"fit": summary(alone)["median"], "smoothed": summary(together)["median"]},
        "lost_frames": count - len(sample.landmarks),
        "net_cpu_ms_per_frame": round(sample.net_milliseconds, 1),
        "fit_cpu_ms_per_frame": round(milliseconds, 1),
    }


def draw_overlays(clip: str, sample: Sample, solution: Solution, head: Head, folder: Path) -> None:
    """Writes one picture: spread frames of a clip, plain and under the mesh with seen and fitted landmarks."""
    motion = solution_motion(solution, head, 25.0, clip)
    fit = compare(solution, sample.landmarks, head)
    columns = []
    for index in spread(len(sample.frames), NUM_OVERLAYS):
        portrait = draw_portrait(sample.frames[index], solution.window)
        frame = jax.tree.map(lambda values: values[index], (motion.head_params, motion.camera))  # noqa: B023
        seen = fit.seen[index] + PORTRAIT_SIZE / 2
        columns.append(np.concatenate([portrait, overlay_head(portrait, head, *frame, seen=seen)]))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(columns, axis=1)).save(folder / f"{clip}.png")


def main(options: Options) -> None:
    """Measures each clip and writes the table."""
    head = load_head("arkit")
    clips = {}
    for clip in options.clips:
        total = video_info(asset_path(clip)).num_frames
        sample = look(clip, spread(total, SPREAD_FRAMES[clip]))
        solution, clips[clip] = accuracy(sample, head)
        clips[clip]["smoothing"] = smoothing(clip, head)
        if options.overlays:
            draw_overlays(clip, sample, solution, head, options.overlays)
    result = {"unit": "percent of the distance of the outer eye corners", "head_sha256": head.sha256, "clips": clips}
    write_result("tracking", "python experiments/tracking_accuracy.py", result)


if __name__ == "__main__":
    main(tyro.cli(Options))
