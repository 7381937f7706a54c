"""Renders a dataset of synthetic portrait clips from MakeHuman's CC0 assets.

    python experiments/make_portraits.py --makehuman PATH --output DIR --clips 300 --frames 8 --seed 1

Clip i is a pure function of (seed, i); clips that are there already are kept, so the same command again goes on where
it stopped, and a larger --clips extends the dataset. index.json lists the finished clips and is renewed on the way.
results/portraits.json tells the speed.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

from omg_jax.data.clips import save_clip, write_index
from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.clip import PortraitAssets, load_portrait_assets, render_clip
from omg_jax.head.load import load_head
from omg_jax.processes import worker_pool


@dataclass(frozen=True)
class Options:
    makehuman: Path
    """Folder of MakeHuman's assets (it holds 3dobjs, targets, skins, ...)."""
    output: Path
    """Folder of the dataset."""
    clips: int = 300
    """Number of clips, one person each."""
    frames: int = 8
    """Frames of a clip."""
    size: int = 512
    """Side of the pictures, pixels."""
    seed: int = 1
    """Datasets of different seeds share no person."""
    workers: int = 1
    """Processes."""


@lru_cache(maxsize=1)
def _assets(makehuman: Path) -> PortraitAssets:
    """Read once per process."""
    return load_portrait_assets(Makehuman(makehuman), load_head("arkit"))


def _render(options: Options, index: int) -> int:
    """Renders one clip unless it is there; returns the number of frames drawn."""
    folder = options.output / f"clip_{index:05d}"
    if folder.exists():
        return 0
    seed = int(np.random.SeedSequence([options.seed, index]).generate_state(1)[0])
    clip = render_clip(_assets(options.makehuman), seed, options.frames, options.size)
    save_clip(folder, clip)
    return options.frames


def main(options: Options) -> None:
    console, head = Console(), load_head("arkit")
    start, drawn = time.perf_counter(), 0
    with worker_pool(options.workers) as pool:
        jobs = [pool.submit(_render, options, index) for index in range(options.clips)]
        for done, job in enumerate(jobs, start=1):
            drawn += job.result()
            if done % 10 == 0 or done == len(jobs):
                rate = drawn / (time.perf_counter() - start)
                console.print(f"{done}/{len(jobs)} clips, {drawn} frames drawn, {rate:.2f} frames/s")
                write_index(options.output, head.name, head.sha256)


if __name__ == "__main__":
    main(tyro.cli(Options))
