"""How closely the tracked head's landmarks lie on the landmark net's, on real clips: experiments/results/tracking.json.

    python experiments/tracking_accuracy.py [--overlays FOLDER] [--head flame:PATH --name tracking_NAME]

Errors are distances in the picture over the distance of the outer eye corners (IOD, with the net's z, so that it does
not shrink as the head turns), of landmarks whose surface faces the camera. They are measured against the net itself:
a bias of the net does not show. With --overlays, pictures of the mesh over some frames are written there; they show
the clips' footage, whose rights are not stated, so they are not for publication. The bars (BARS) are goals that were
set before; the result says which hold.

Repeatability: copies of a frame, shifted by known fractions of pixels, with noise, are tracked anew; what differs once
the shift is taken back is the tracker's own unrest.

Tried and left out:

- An expression offset per clip: errors 4 % smaller, but it takes in what belongs to the resting face.
- A silhouette: vertices of the skull that lie outside of the matte are pulled to its edge, from one side only, as hair
  lies outside of the skull. There is next to nothing to pull (see skull_outside_matte_percent): medians moved by less
  than 0.01 on franck, cap12 and carphone, the jaw on franck from 2.48 to 2.56. With the ears, which stick out of the
  matte most, eyelids and irises pay for them (cap12: irises from 0.62 to 0.70), for no slider moves an ear alone. How
  far the hair is from the skull, up to 60 pixels of 512, tells nothing about the skull.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image
from record import write_result

from omg_jax.assets.registry import asset_path
from omg_jax.geometry.rotations import matrix_to_euler
from omg_jax.geometry.visibility import zbuffer
from omg_jax.head.flame import WORLD_UNITS_PER_METRE
from omg_jax.head.load import Head, load_head
from omg_jax.head.model import head_vertices
from omg_jax.tracking.crop import PORTRAIT_SIZE, draw_portrait, skull_vertices
from omg_jax.tracking.face_mesh import (
    INNER_LIPS,
    LEFT_EYELIDS,
    LEFT_IRIS,
    OUTER_LIPS,
    RIGHT_EYELIDS,
    RIGHT_IRIS,
)
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.matte import PortraitMatte
from omg_jax.tracking.overlay import overlay_head
from omg_jax.tracking.quality import Comparison, compare, trembling
from omg_jax.tracking.solve import Solution, fit_in_window, solution_motion, solve, solve_clip, spread
from omg_jax.tracking.torso import follow_torso
from omg_jax.tracking.video import video_frames, video_info

# Clip -> frames spread over it that are measured, and consecutive frames on which smoothing is measured, from where.
SPREAD_FRAMES = {"franck": 100, "cap12": 50, "carphone": 50}
CONSECUTIVE = {"franck": (300, 120), "cap12": (300, 120), "carphone": (0, 120)}
NUM_OVERLAYS = 6
# Repeatability: frames spread over the clip, copies of each, largest shift in pixels, noise in values of 255.
REPEATED_FRAMES, COPIES, SHIFT, NOISE = 5, 24, 2.0, 3.0
MATTES = 16
REPEATS = 3  # of the timed fit, of which the fastest counts
MILLIMETRES = 1000.0 / WORLD_UNITS_PER_METRE
STILL = {"landmarks": 0.27, "yaw": 0.3, "pitch": 0.3, "roll": 0.12}
FAST = {"landmarks": 0.6, "yaw": 0.7, "pitch": 0.7, "roll": 0.3}
BARS = {
    "shape_of_clip": {"median": 1.3, "p95": 3.7},
    "shape_of_first_frame": {"median": 1.4, "p95": 4.5},
    "median_by_region": {"eyelids": 1.3, "irises": 1.0, "nose": 1.1, "mouth": 1.3, "eyebrows": 2.4, "jaw": 2.6},
    "repeatability": {"franck": STILL, "cap12": STILL, "carphone": FAST},
    "trembling_left": 0.8,
    "error_of_smoothing": 0.1,
    "cpu_ms_per_frame": 15.0,
}
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
    head: str = "arkit"
    """The head model: arkit, or flame:PATH."""
    name: str = "tracking"
    """The result's name."""


class Sample(NamedTuple):
    """Frames of a clip with what the nets saw in them, and their CPU time where a face was followed."""

    frames: list[np.ndarray]
    landmarks: list[FaceLandmarks]
    net_milliseconds: float | None


def look(clip: str, indices: list[int]) -> Sample:
    """Decodes a clip and runs the nets on the chosen frames that show a face."""
    landmarker, chosen, frames, landmarks, seconds = FaceLandmarker(), set(indices), [], [], []
    for index, frame in enumerate(video_frames(asset_path(clip), max(indices) + 1)):
        if index in chosen:
            start = time.process_time()
            followed = landmarks and index - 1 in chosen
            seen = landmarker(frame, landmarks[-1] if followed else None)
            if followed:
                seconds.append(time.process_time() - start)
            if seen is not None:
                frames.append(frame)
                landmarks.append(seen)
    return Sample(frames, landmarks, 1000.0 * float(np.mean(seconds)) if seconds else None)


def summary(fit: Comparison, head: Head) -> dict:
    """Median and 95th percentile over visible landmarks of all frames, and medians by region."""

    def of(statistic, columns) -> float:
        return round(float(statistic(fit.errors[:, columns][fit.visible[:, columns]])), 3)

    everything = list(range(fit.errors.shape[1]))
    return {
        "median": of(np.median, everything),
        "p95": of(lambda errors: np.percentile(errors, 95), everything),
        "median_by_region": {
            name: of(np.median, np.flatnonzero(np.isin(head.landmark_ids, ids))) for name, ids in REGIONS.items()
        },
    }


def accuracy(sample: Sample, head: Head) -> tuple[Solution, dict]:
    """Errors with the shape of the whole clip, and with the shape of its first frame alone."""
    whole = solve(sample.landmarks, head)
    first = solve(sample.landmarks[:1], head)
    from_first = solve(sample.landmarks, head, shape=first.shape)
    depth = float(jnp.median(whole.frames.translation[:, 2]))
    fit = compare(whole, sample.landmarks, head)
    return whole, {
        "frames": len(sample.landmarks),
        "shape_of_clip": summary(fit, head),
        "shape_of_first_frame": summary(compare(from_first, sample.landmarks, head), head),
        "median_iod_px": round(float(np.median(fit.iod)), 1),
        "median_depth": round(depth, 2),
    }


def smoothing(clip: str, head: Head) -> dict:
    """What the fit over time does on consecutive frames: mean second difference of the landmarks, and error.

    Both in percent of IOD; also the CPU time of a frame, nets, fit and torso, where the faces are followed.
    """
    start, count = CONSECUTIVE[clip]
    sample = look(clip, list(range(start, start + count)))
    alone = compare(solve(sample.landmarks, head), sample.landmarks, head)
    shape = solve_clip(sample.landmarks, head).shape
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        solution = solve_clip(sample.landmarks, head, shape)
        seconds.append(time.process_time() - begin)
    milliseconds = 1000.0 * min(seconds) / len(sample.landmarks)
    torso = min(torso_milliseconds(sample, solution, head) for _ in range(REPEATS))
    together = compare(solution, sample.landmarks, head)

    def second_difference(points: np.ndarray) -> float:
        return round(float(trembling(points).mean() / alone.iod.mean() * 100.0), 3)

    return {
        "second_difference": {
            "net": second_difference(alone.seen),
            "fit": second_difference(alone.fitted),
            "smoothed": second_difference(together.fitted),
        },
        "median_error": {"fit": summary(alone, head)["median"], "smoothed": summary(together, head)["median"]},
        "lost_frames": count - len(sample.landmarks),
        "net_cpu_ms_per_frame": round(sample.net_milliseconds, 1),
        "fit_cpu_ms_per_frame": round(milliseconds, 1),
        "torso_cpu_ms_per_frame": round(torso, 1),
        "cpu_ms_per_frame": round(sample.net_milliseconds + milliseconds + torso, 1),
    }


def torso_milliseconds(sample: Sample, solution: Solution, head: Head) -> float:
    """CPU time of a frame in which the torso is followed."""
    motion, matte = solution_motion(solution, head, fps=25.0, source="a sample"), PortraitMatte()
    begin = time.process_time()
    follow_torso(sample.frames, sample.landmarks, solution.window, motion, head, matte)
    return 1000.0 * (time.process_time() - begin) / len(sample.frames)


def repeatability(sample: Sample, solution: Solution, head: Head) -> dict:
    """Standard deviations over copies of a frame, the mean and the largest over some frames of the clip.

    Landmarks in percent of IOD (x and y together, mean over landmarks), of the net and of the head; angles in degrees,
    translation in millimetres, expression in the head's own unit (mean over parameters).
    """
    landmarker, rng = FaceLandmarker(), np.random.default_rng(0)
    rows = []
    for index in spread(len(sample.frames), REPEATED_FRAMES):
        seen = [look_shifted(landmarker, sample.frames[index], rng) for _ in range(COPIES)]
        again = fit_in_window(seen, head, solution.window, solution.shape)
        both, (_, translation, expression, *_) = compare(again, seen, head), again.frames
        yaw, pitch, roll = np.degrees(np.asarray(matrix_to_euler(again.frames.rotation))).std(axis=0)
        x, y, z = MILLIMETRES * np.asarray(translation).std(axis=0)
        net, own = (np.sqrt(points.var(axis=0).sum(axis=-1)).mean() for points in (both.seen, both.fitted))
        percent = 100.0 / both.iod.mean()
        moved = np.asarray(expression).std(axis=0).mean()
        rows.append((percent * net, percent * own, yaw, pitch, roll, x, y, z, moved))
    names = ("net", "landmarks", "yaw", "pitch", "roll", "x_mm", "y_mm", "z_mm", "expression")
    return {
        kind: dict(zip(names, np.round(of(rows, axis=0), 4).tolist(), strict=True))
        for kind, of in (("mean", np.mean), ("largest", np.max))
    }


def look_shifted(landmarker: FaceLandmarker, frame: np.ndarray, rng: np.random.Generator) -> FaceLandmarks:
    """What the nets see in a shifted copy of a frame with noise, shifted back."""
    across, down = rng.uniform(-SHIFT, SHIFT, 2)
    affine = np.array([[1.0, 0.0, across], [0.0, 1.0, down]])
    moved = cv2.warpAffine(frame, affine, frame.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    noisy = np.clip(np.round(moved + rng.normal(0.0, NOISE, moved.shape)), 0, 255).astype(np.uint8)
    seen = landmarker(noisy)
    return seen._replace(points=seen.points - np.array([across, down, 0.0], np.float32))


def skull_outside_matte(sample: Sample, solution: Solution, head: Head) -> dict:
    """Percent of the head's picture, without neck, that lies where the matte sees nobody; and without ears."""
    motion, matte, faces = solution_motion(solution, head, 25.0, ""), PortraitMatte(), np.asarray(head.model.faces)
    skull = np.isin(np.arange(len(head.model.template)), skull_vertices(head))
    bare = skull & ~np.isin(np.arange(len(skull)), head.regions.get("ears", np.zeros(0, int)))
    shares = []
    for index in spread(len(sample.frames), MATTES):
        nobody = matte(draw_portrait(sample.frames[index], solution.window)) < 0.5
        params, camera = jax.tree.map(lambda values: values[index], (motion.head_params, motion.camera))  # noqa: B023
        vertices = jax.jit(head_vertices)(head.model, params)
        row = []
        for part in (skull, bare):
            buffer = zbuffer(vertices, faces[part[faces].all(axis=1)], camera, nobody.shape)
            covered = np.asarray(buffer.face_index) >= 0
            row.append(100.0 * (covered & nobody).sum() / covered.sum())
        shares.append(row)
    with_ears, without = np.mean(shares, axis=0)
    return {"with_ears": round(float(with_ears), 2), "without": round(float(without), 2)}


def check_bars(clip: str, facts: dict) -> dict:
    """Which bars do not hold on a clip: by name, [measured, bar]."""
    smooth = facts["smoothing"]
    difference, error = smooth["second_difference"], smooth["median_error"]
    groups = {
        "shape of clip": (facts["shape_of_clip"], BARS["shape_of_clip"]),
        "shape of first frame": (facts["shape_of_first_frame"], BARS["shape_of_first_frame"]),
        "median": (facts["shape_of_clip"]["median_by_region"], BARS["median_by_region"]),
        "repeatability": (facts["repeatability"]["mean"], BARS["repeatability"][clip]),
    }
    pairs = {f"{group}, {name}": (at[name], bar) for group, (at, bars) in groups.items() for name, bar in bars.items()}
    pairs |= {
        "trembling left": (difference["smoothed"] / difference["net"], BARS["trembling_left"]),
        "error of smoothing": (error["smoothed"] - error["fit"], BARS["error_of_smoothing"]),
        "lost frames": (smooth["lost_frames"], 0),
        "CPU ms per frame": (smooth["cpu_ms_per_frame"], BARS["cpu_ms_per_frame"]),
    }
    return {name: list(pair) for name, pair in pairs.items() if pair[0] > pair[1]}


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
    head = load_head(options.head)
    clips = {}
    for clip in options.clips:
        total = video_info(asset_path(clip)).num_frames
        sample = look(clip, spread(total, SPREAD_FRAMES[clip]))
        solution, clips[clip] = accuracy(sample, head)
        clips[clip]["smoothing"] = smoothing(clip, head)
        clips[clip]["repeatability"] = repeatability(sample, solution, head)
        clips[clip]["skull_outside_matte_percent"] = skull_outside_matte(sample, solution, head)
        clips[clip]["bars_missed"] = check_bars(clip, clips[clip])
        if options.overlays:
            draw_overlays(clip, sample, solution, head, options.overlays)
    unit = "percent of the distance of the outer eye corners"
    # A busy machine's CPU times are too long: two programs share each core's caches and arithmetic.
    facts = {"unit": unit, "head": head.name, "head_sha256": head.sha256, "load_average": os.getloadavg()[1]}
    result = facts | {"bars": BARS, "clips": clips}
    chosen = "" if options.head == "arkit" else f" --head flame:PATH --name {options.name}"
    write_result(options.name, f"python experiments/tracking_accuracy.py{chosen}", result)


if __name__ == "__main__":
    main(tyro.cli(Options))
