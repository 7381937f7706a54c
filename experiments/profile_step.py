"""What a training step of the small model costs, part by part: experiments/results/train_step.json.

    python experiments/profile_step.py --data FOLDER

Each part is timed alone, forward and backward, with the sizes that it has in the step. Process-CPU seconds (of all
threads) can be compared on a machine that others use too; two idle cores take a little more than half as long.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro
from record import write_result
from rich.console import Console
from rich.table import Table

from omg_jax.benchmarks.clock import least_cpu_ms
from omg_jax.cli.train import prepare
from omg_jax.configs import load_preset
from omg_jax.data.pairs import load_batch
from omg_jax.geometry.camera import camera_forward
from omg_jax.losses.total import perceptual_terms, total_loss
from omg_jax.models.embedding import harmonic_embedding
from omg_jax.models.omg import Source, build_model
from omg_jax.models.state import merge_model, split_model
from omg_jax.splat.api import rasterize
from omg_jax.training.job import Job
from omg_jax.training.state import init_state
from omg_jax.training.step import Frozen, make_train_step
from omg_jax.training.tokens import TokenCache
from omg_jax.types import PairBatch


@dataclass
class Options:
    """Where to measure."""

    data: Path
    """Folder of clips of 512 x 512 pixels, with index.json."""
    repeats: int = 3
    """Runs per measurement; the fastest counts."""


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The least process-CPU seconds of some runs, after one that compiles."""
    return 1e-3 * least_cpu_ms(run, jax.block_until_ready, repeats)


def sum_of_squares(tree: object) -> jax.Array:
    """A scalar that depends on every float of a tree."""
    return sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating))


def profile(job: Job, repeats: int) -> dict[str, float]:
    """Process-CPU seconds of whole steps and of their parts."""
    options = job.config.train
    graphdef, params, constants = split_model(build_model(job.config.model, job.head.model, seed=0))
    cache, frozen = TokenCache(job.taps, options.token_cache_mb), Frozen(constants, job.perceptual)
    batch = jax.tree.map(jnp.asarray, load_batch(job.index, 0, 0, options.batch_size, options.window, cache))
    state, table = init_state(params, options), {}
    for lod in range(job.config.model.num_levels + 1):
        step = jax.jit(make_train_step(graphdef, job.config, lod))
        table[f"step, level {lod}"] = seconds(lambda step=step: step(state, batch, frozen), repeats)
    table["frozen tokens (cached after first use)"] = seconds(lambda: job.taps(batch.source_image), repeats)
    for name, (function, argument) in parts(job, graphdef, params, constants, batch).items():
        pull = jax.jit(jax.grad(lambda x, f=function: sum_of_squares(f(x))))
        table[f"{name}, gradient"] = seconds(lambda pull=pull, x=argument: pull(x), repeats)
    return table


def parts(job: Job, graphdef, params: dict, constants, batch: PairBatch) -> dict[str, tuple[Callable, object]]:
    """Each part as a function of what it is differentiated by, with that argument, at the finest level."""
    lod, losses = job.config.model.num_levels, job.config.train.losses

    def model(weights):
        return merge_model(graphdef, weights, constants)

    source = Source(
        batch.source_image, batch.source_matte, batch.source_tokens, batch.source_params, batch.source_camera
    )
    direction = harmonic_embedding(camera_forward(source.camera))
    local_map = jax.jit(lambda p: model(p).pyramid(source.tokens, source.image))(params)
    queries = jax.jit(lambda p: model(p).transformer(source.tokens[-1]))(params)
    mask = jnp.ones((1, *[model(params).plane_size] * 2))
    output = jax.jit(lambda p: model(p).forward_pair(batch, lod))(params)
    built = jax.jit(lambda p: model(p).build(source, (lod,)))(params)
    shape = source.params.shape_params
    gaussians = jax.jit(lambda p: model(p).pose(built, shape, batch.target_params, lod))(params)
    size, key = batch.target_image.shape[1:3], jax.random.key(0)
    splatted = jax.jit(lambda g: rasterize(g, batch.target_camera, size).features)(gaussians)
    target, nets = batch.target_image, job.perceptual
    return {
        "build": (lambda p: model(p).build(source, (lod,)), params),
        "build: pyramid": (lambda p: model(p).pyramid(source.tokens, source.image), params),
        "build: transformer": (lambda p: model(p).transformer(source.tokens[-1]), params),
        "build: subdivision of features": (lambda x: model(x[0]).subdivide.features(x[1])[lod], (params, queries)),
        "build: plane head": (
            lambda x: model(x[0]).plane_head(x[1], direction, source.image, source.matte, mask, source.camera),
            (params, local_map),
        ),
        "rasterizer": (lambda g: rasterize(g, batch.target_camera, size).features, gaussians),
        "refiner": (lambda x: model(x[0]).refiner(x[1]), (params, splatted)),
        "losses": (lambda o: total_loss(o, target, nets, losses, key)[0], output),
        "losses: perceptual": (lambda o: perceptual_terms(o, target, nets, losses, key), output),
    }


def main(options: Options) -> None:
    preset = load_preset("small")
    config = dataclasses.replace(preset, train=dataclasses.replace(preset.train, data=str(options.data)))
    table = profile(prepare(config), options.repeats)
    printed = Table("part", "process-CPU s")
    for name, value in table.items():
        printed.add_row(name, f"{value:.3f}")
    Console().print(printed)
    result = {"preset": "small", "window": config.train.window, "process_cpu_seconds": table}
    write_result("train_step", "python experiments/profile_step.py --data FOLDER", result)


if __name__ == "__main__":
    main(tyro.cli(Options))
