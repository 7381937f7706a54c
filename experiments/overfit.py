"""The small preset on one person: its pictures must come to equal the frames that it is trained on.

    python experiments/make_portraits.py --makehuman PATH --output ONE --clips 1 --frames 4 --size 128
    python experiments/overfit.py --data ONE

Whether losses, gradients and curriculum work together shows here within minutes. Writes results/overfit.json: PSNR of
the coarse and of the refined picture, mean over all pairs of two frames, at each level of detail. The bar is 30 dB for
the refined picture.
"""

import dataclasses
import itertools
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from record import write_result
from rich.console import Console

from omg_jax.cli.train import prepare
from omg_jax.config import AugmentConfig, Config, CurriculumConfig, LossConfig
from omg_jax.configs import load_preset
from omg_jax.data.pairs import Pair, load_pair, stack_pairs
from omg_jax.losses.photometric import psnr
from omg_jax.models.omg import build_model
from omg_jax.models.state import merge_model, split_model
from omg_jax.training.job import Job
from omg_jax.training.loop import train
from omg_jax.training.tokens import TokenCache

SIZE, BAR = 128, 30.0  # pixels; dB


@dataclasses.dataclass
class Options:
    data: Path
    """Folder of one clip of 128 x 128 pixels, with index.json."""
    steps: int = 1000


def config_of(options: Options, output: str) -> Config:
    """The small preset on small pictures, every level in turn, without augmentation."""
    small = load_preset("small")
    options_of_run = dataclasses.replace(
        small.train,
        data=str(options.data),
        output=output,
        num_steps=options.steps,
        window=SIZE,
        learning_rate=1e-3,
        warmup_steps=20,
        picture_every=options.steps,
        checkpoint_every=options.steps,
        augment=AugmentConfig(),
        curriculum=CurriculumConfig(0.0, 0.0, (1 / 3, 1 / 3, 1 / 3)),
        losses=LossConfig(perceptual_net="lpips-alexnet"),
    )
    return dataclasses.replace(
        small, model=dataclasses.replace(small.model, image_size=SIZE), train=options_of_run
    )


def quality(job: Job, params: dict) -> dict[str, dict[str, float]]:
    """PSNR in dB over all pairs of two frames of the clip, by level of detail."""
    model = build_model(job.config.model, job.head.model, seed=0)
    graphdef, _, constants = split_model(model)
    tokens = TokenCache(job.taps, capacity_mb=64)
    pairs = [
        stack_pairs([load_pair(job.index, Pair(0, source, target, (0.0, 0.0)), SIZE, tokens)])
        for source, target in itertools.permutations(range(job.index.num_frames[0]), 2)
    ]

    def measured(lod: int) -> dict[str, float]:
        forward = jax.jit(lambda params, pair: merge_model(graphdef, params, constants).forward_pair(pair, lod))
        outputs = [(forward(params, pair), jnp.asarray(pair.target_image)) for pair in pairs]
        return {
            name: float(np.mean([psnr(getattr(output, name), target)[0] for output, target in outputs]))
            for name in ("coarse", "refined")
        }

    return {f"level {lod}": measured(lod) for lod in range(job.config.model.num_levels + 1)}


def main(options: Options) -> None:
    console, start = Console(), time.perf_counter()
    with tempfile.TemporaryDirectory() as output:
        job = prepare(config_of(options, output))
        state, finished, _ = train(job)
        if not finished:
            raise SystemExit(f"stopped after {int(state.step)} of {options.steps} steps; no result is written")
        result = {
            "steps": options.steps,
            "frames": job.index.num_frames[0],
            "image_size": SIZE,
            "psnr": quality(job, state.average),
            "bar": BAR,
            "minutes": round((time.perf_counter() - start) / 60.0, 1),
        }
    console.print(result)
    write_result("overfit", f"python experiments/overfit.py --data ONE --steps {options.steps}", result)


if __name__ == "__main__":
    main(tyro.cli(Options))
