"""Measures, on 64 synthetic people, how well stored parameters say where the drawn head is, and how fast it is drawn.

    python experiments/portrait_agreement.py --makehuman PATH

Writes results/portraits.json. Speed is CPU time of one process after all compilation, so that other processes on the
machine do not count; the time of a person (dressing, painting, occlusion) is shared by the frames of a clip.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from record import write_result
from rich.progress import track

from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.agreement import head_agreement
from omg_jax.data.portraits.clip import film, load_portrait_assets, render_clip, sample_subject
from omg_jax.head.load import load_head

FIRST_SEED = 100  # the gallery's people
TIMED_FRAMES = 8


@dataclass(frozen=True)
class Options:
    makehuman: Path
    """Folder of MakeHuman's assets (it holds 3dobjs, targets, skins, ...)."""
    people: int = 64
    """Number of identities."""
    frames: int = 1
    """Frames of each."""
    size: int = 512
    """Side of the pictures, pixels."""
    timed: int = 8
    """How many of the people are drawn again to be timed."""


def main(options: Options) -> None:
    assets = load_portrait_assets(Makehuman(options.makehuman), load_head("arkit"))
    overlap, inside = [], []
    for seed in track(range(FIRST_SEED, FIRST_SEED + options.people), description="people"):
        rng = np.random.default_rng(seed)
        subject = sample_subject(rng, assets)
        agreement = head_agreement(assets, subject, film(rng, assets, subject, options.frames, options.size))
        overlap.append(agreement.overlap)
        inside.append(agreement.inside_matte)
    short, long = (_seconds(assets, options, frames) for frames in (1, 1 + TIMED_FRAMES))
    per_frame = (long - short) / TIMED_FRAMES
    write_result(
        "portraits",
        "python experiments/portrait_agreement.py --makehuman PATH",
        {
            "people": options.people,
            "frames": options.people * options.frames,
            "size": options.size,
            "head_iou": _summary(np.concatenate(overlap)),
            "head_inside_matte": _summary(np.concatenate(inside)),
            "cpu_seconds_per_frame": per_frame,
            "cpu_seconds_per_person": short - per_frame,
            "frames_per_second_on_two_cores": {
                f"clips of {frames} frames": 2.0 / (per_frame + (short - per_frame) / frames) for frames in (6, 24, 120)
            },
        },
    )


def _seconds(assets, options: Options, frames: int) -> float:
    """Mean CPU seconds of a clip of so many frames; all people were drawn before, so that nothing is compiled."""
    start = time.process_time()
    for seed in range(FIRST_SEED, FIRST_SEED + options.timed):
        render_clip(assets, seed, frames, options.size)
    return (time.process_time() - start) / options.timed


def _summary(values: np.ndarray) -> dict[str, float]:
    return {"mean": values.mean(), "5th percentile": np.percentile(values, 5), "least": values.min()}


if __name__ == "__main__":
    main(tyro.cli(Options))
