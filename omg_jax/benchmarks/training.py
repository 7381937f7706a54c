"""What a training step costs: whole, part by part, and on several devices; on made-up data, with random weights.

Times and XLA's counts as in omg_jax.benchmarks.avatar. A part's gradient is by what its input and weights are: the sum
of a part's forward and backward pass. The rasterizer's operations are not among XLA's counts.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from omg_jax.benchmarks.clock import least_wall_ms
from omg_jax.benchmarks.cost import DEVICE_PEAKS
from omg_jax.benchmarks.stages import grey_bust, random_model, stage
from omg_jax.config import Config
from omg_jax.data.clips import Clip, save_clip, write_index
from omg_jax.data.pairs import load_batch
from omg_jax.geometry.camera import camera_forward, crop_camera
from omg_jax.head.load import Head
from omg_jax.head.model import zero_params
from omg_jax.losses.perceptual import Convolution, PerceptualParams
from omg_jax.losses.total import perceptual_terms, total_loss
from omg_jax.memory import peak_memory
from omg_jax.models.dinov2 import CONFIGS, PATCH_SIZE, DinoV2
from omg_jax.models.embedding import harmonic_embedding
from omg_jax.models.omg import Source, build_model
from omg_jax.models.precision import compute_dtype
from omg_jax.models.state import merge_model, split_model
from omg_jax.training.parallel import AXIS, make_driver
from omg_jax.training.state import apply_gradients, init_state
from omg_jax.training.step import Frozen, make_train_step
from omg_jax.training.tokens import backbone_taps
from omg_jax.types import PairBatch

# (kernel sizes, channels) of the perceptual networks' convolutions, and how many lie before each of the five taps.
NETWORKS = {
    "lpips-vgg16": ((3,) * 13, (64, 64, 128, 128, *(256,) * 3, *(512,) * 6), (2, 4, 7, 10, 13)),
    "lpips-alexnet": ((11, 5, 3, 3, 3), (64, 192, 384, 256, 256), (1, 2, 3, 4, 5)),
}


class Case(NamedTuple):
    """What is measured: a network's parts as split_model gives them, what it never trains, and a batch."""

    config: Config
    graphdef: nnx.GraphDef
    params: dict
    frozen: Frozen
    backbone: Callable
    batch: PairBatch


def stand_in_case(config: Config, head: Head) -> Case:
    """Random weights, and grey busts that swing to and fro."""
    dtype = compute_dtype(config.precision)
    model = random_model(lambda: build_model(config.model, head.model, seed=0, dtype=dtype))
    graphdef, params, constants = split_model(model)
    backbone = random_model(lambda: DinoV2(CONFIGS[config.model.backbone], nnx.Rngs(0), dtype))
    frozen = Frozen(constants, random_perceptual(config.train.losses.perceptual_net))
    taps = backbone_taps(backbone, config.model.backbone_size)
    return Case(config, graphdef, params, frozen, taps, made_up_batch(config, head, config.train.batch_size))


def random_perceptual(net: str) -> PerceptualParams:
    """A perceptual network of the true sizes."""
    rng = np.random.default_rng(0)
    kernels, widths, taps = NETWORKS[net]
    convolutions = tuple(
        Convolution(jnp.asarray(rng.normal(0.0, 0.05, (k, k, i, o)), jnp.float32), jnp.zeros(o))
        for k, i, o in zip(kernels, (3, *widths[:-1]), widths, strict=True)
    )
    return PerceptualParams(convolutions, tuple(jnp.ones(widths[tap - 1]) for tap in taps))


def made_up_batch(config: Config, head: Head, size: int) -> PairBatch:
    """A batch (numpy) of grey busts; the target is the middle of the picture."""
    model, window, rng = config.model, config.train.window, np.random.default_rng(0)
    full = model.image_size
    matte, camera = grey_bust(full)
    image = 0.5 * matte[..., None] * rng.uniform(0.8, 1.2, (full, full, 3))
    corner = (full - window) // 2
    inside = slice(corner, corner + window)
    num_tokens = (model.backbone_size // PATCH_SIZE) ** 2
    tokens = rng.normal(size=(4, num_tokens, CONFIGS[model.backbone].width)).astype(np.float32)
    params = jax.tree.map(np.asarray, zero_params(head.model))
    one = PairBatch(
        source_image=image.astype(np.float32),
        source_matte=matte,
        source_tokens=tuple(tokens / model.token_scale),
        source_params=params,
        source_camera=camera,
        target_image=image[inside, inside].astype(np.float32),
        target_matte=matte[inside, inside],
        target_params=params,
        target_camera=jax.tree.map(np.asarray, crop_camera(camera, float(corner), float(corner))),
    )
    return jax.tree.map(lambda leaf: np.broadcast_to(leaf, (size, *leaf.shape)).copy(), one)


def measure_training(case: Case, head: Head, repeats: int = 3) -> dict[str, Any]:
    """The whole benchmark of a case, as plain numbers; some minutes for the small preset on two cores."""
    options, finest = case.config.train, case.config.model.num_levels
    steps = {f"level {lod}": measure_step(case, lod, repeats) for lod in range(finest + 1)}
    return {
        "preset": case.config.name,
        "device": jax.devices()[0].device_kind,
        "precision": str(compute_dtype(case.config.precision)),
        "batch_size": options.batch_size,
        "window": options.window,
        "steps": steps,
        "with remat": {"memory_mb": step_memory(case, finest)},
        "data": {"wall_ms": loading_ms(case.config, head, repeats)},
        "parts": measure_parts(case, finest, repeats),
        "floors": floors(steps[f"level {finest}"], options.num_steps),
        **peak_memory(),
    }


def measure_step(case: Case, lod: int, repeats: int) -> dict[str, float]:
    """A whole step on one device."""
    step = jax.jit(make_train_step(case.graphdef, case.config, lod))
    return stage(step, (init_state(case.params, case.config.train), case.batch, case.frozen), repeats)


def step_memory(case: Case, lod: int) -> float:
    """Megabytes that a step holds besides its arguments when it computes activations again; it is only compiled."""
    config = dataclasses.replace(case.config, train=dataclasses.replace(case.config.train, remat=True))
    arguments = (init_state(case.params, config.train), case.batch, case.frozen)
    memory = jax.jit(make_train_step(case.graphdef, config, lod)).lower(*arguments).compile().memory_analysis()
    return 1e-6 * (memory.temp_size_in_bytes + memory.output_size_in_bytes)


def loading_ms(config: Config, head: Head, repeats: int) -> float:
    """Milliseconds in which one thread reads a batch from files and decodes it, without the backbone's tokens."""
    batch = made_up_batch(config, head, 2)
    mattes = (255 * batch.source_matte).astype(np.uint8)
    images = (255 * np.clip(batch.source_image, 0.0, 1.0)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        save_clip(Path(folder) / "clip", Clip(images, mattes, batch.source_params, batch.source_camera))
        index, options = write_index(folder, head.name, head.sha256), config.train
        none = tuple(np.zeros((1, 1), np.float32) for _ in range(4))

        def load() -> PairBatch:
            return load_batch(index, 0, 0, options.batch_size, options.window, lambda *_: none)

        return least_wall_ms(load, lambda _: None, repeats)


def measure_parts(case: Case, lod: int, repeats: int) -> dict[str, dict[str, Any]]:
    """{part: {"forward": ..., "gradient": ...}}; the backbone and the optimizer have no gradient."""
    table = {"backbone": {"forward": stage(jax.jit(case.backbone), (case.batch.source_image,), repeats)}}
    for name, (function, argument) in parts(case, lod).items():
        pull = jax.jit(jax.grad(lambda x, f=function: sum_of_squares(f(x))))
        table[name] = {
            "forward": stage(jax.jit(function), (argument,), repeats),
            "gradient": stage(pull, (argument,), repeats),
        }
    options, state = case.config.train, init_state(case.params, case.config.train)
    update = jax.jit(lambda state, gradients: apply_gradients(state, gradients, jnp.array(True), options))
    table["optimizer"] = {"forward": stage(update, (state, case.params), repeats)}
    return table


def parts(case: Case, lod: int) -> dict[str, tuple[Callable, object]]:
    """Each part as a function of what it is differentiated by, with that argument."""
    batch, params, losses = jax.tree.map(jnp.asarray, case.batch), case.params, case.config.train.losses
    has, size = case.config.model.parts, batch.target_image.shape[1:3]
    source = Source(
        batch.source_image, batch.source_matte, batch.source_tokens, batch.source_params, batch.source_camera
    )
    direction = harmonic_embedding(camera_forward(source.camera))
    target, nets, key = batch.target_image, case.frozen.perceptual, jax.random.key(0)

    def model(weights):
        return merge_model(case.graphdef, weights, case.frozen.constants)

    def build(weights):
        return model(weights).build(source, (lod,))

    def pyramid(weights):
        return model(weights).pyramid(source.tokens, source.image)

    def transformer(weights):
        return model(weights).transformer(source.tokens[-1])

    def subdivide(given):
        weights, features = given
        return model(weights).subdivide.features(features)[lod]

    def plane(given):
        weights, local_map = given
        mask = jnp.ones((len(target), *model(weights).plane_shape))
        return model(weights).plane_head(local_map, direction, source.image, source.matte, mask, source.camera)

    def head(built):
        return model(params).pose(built, source.params.shape_params, batch.target_params, lod)

    def splat(gaussians):
        return model(params).splat(gaussians, batch.target_camera, size).features

    def refine(given):
        weights, features, photo = given
        return model(weights).refine(features, photo)

    @jax.jit
    def inputs(weights):
        """What each part works on, from one program."""
        given = {"output": model(weights).forward_pair(batch, lod), "built": build(weights)}
        given["gaussians"] = head(given["built"])
        given["splatted"] = splat(given["gaussians"])
        if has.local_features or has.shoulder:
            given["local map"] = pyramid(weights)
        if has.global_features:
            given["global"] = transformer(weights)
        return given

    given = inputs(params)
    table = {"build": (build, params)}
    if "local map" in given:
        table["build: pyramid"] = (pyramid, params)
    if "global" in given:
        table["build: transformer"] = (transformer, params)
        table["build: subdivision"] = (subdivide, (params, given["global"]))
    if has.shoulder:
        table["build: plane"] = (plane, (params, given["local map"]))
    table |= {"head": (head, given["built"]), "splat": (splat, given["gaussians"])}
    if has.refiner:
        table["refiner"] = (refine, (params, given["splatted"], given["built"].photo))
    table["losses"] = (lambda output: total_loss(output, target, nets, losses, key)[0], given["output"])
    table["losses: perceptual"] = (
        lambda output: perceptual_terms(output, target, nets, losses, key), given["output"]
    )  # fmt: skip
    return table


def sum_of_squares(tree: object) -> jax.Array:
    """A scalar that depends on every float of a tree."""
    return sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating))


def floors(step: dict[str, float], num_steps: int) -> dict[str, dict[str, float]]:
    """What no float32 step on these GPUs can beat, and a run of so many steps at a third of that speed, in hours.

    bfloat16 trunks lower the floor of operations, not that of bytes.
    """
    table = {}
    for name, limits in DEVICE_PEAKS.items():
        seconds = max(1e9 * step["gflop"] / limits.flops, 1e6 * step["moved_mb"] / limits.num_bytes)
        table[name] = {"step_ms": 1e3 * seconds, "run_hours_at_a_third": 3.0 * seconds * num_steps / 3600.0}
    return table


def measure_drivers(case: Case, repeats: int = 3, counts: tuple[int, ...] = (1, 2, 4, 8)) -> list[dict[str, Any]]:
    """Steps at level 0 by every driver, on as many of this process's devices as it has of ``counts``.

    Each device takes the case's batch: pairs per second would grow with the devices if they were all that counted. On a
    CPU they share its cores, and the fall of pairs per second beside one device is what a driver costs.
    """
    rows = []
    for count in (n for n in counts if n <= jax.local_device_count()):
        for parallel in ("single",) if count == 1 else ("pmap", "shard_map"):
            batch = jax.tree.map(lambda x, n=count: np.concatenate([x] * n), case.batch)
            options = dataclasses.replace(
                case.config.train, parallel=parallel, num_devices=count, batch_size=len(batch.source_matte)
            )
            config = dataclasses.replace(case.config, train=options)
            driver = make_driver(options)
            state, frozen = (driver.replicate(part) for part in (init_state(case.params, options), case.frozen))
            placed = driver.place(batch)
            step = driver.compile(
                lambda axis, config=config: make_train_step(case.graphdef, config, 0, axis_name=axis),
                (state, placed, frozen),
            )
            held = [state]

            def run(step=step, placed=placed, frozen=frozen, held=held):
                held[0], metrics = step(held[0], placed, frozen)  # a step may donate its state
                return metrics

            seconds = 1e-3 * least_wall_ms(run, jax.block_until_ready, repeats)
            rows.append(
                {
                    "driver": parallel,
                    "devices": count,
                    "batch_size": options.batch_size,
                    "step_ms": 1e3 * seconds,
                    "pairs_per_second": options.batch_size / seconds,
                    "all_reduce_ms": all_reduce_ms(case.params, count, repeats) if count > 1 else 0.0,
                }
            )
    return rows


def all_reduce_ms(gradients: dict, count: int, repeats: int) -> float:
    """Milliseconds in which ``count`` devices average a tree of gradients."""
    mean = jax.pmap(lambda tree: jax.lax.pmean(tree, AXIS), AXIS, devices=jax.local_devices()[:count])
    stacked = jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (count, *leaf.shape)), gradients)
    held = mean(stacked)
    return least_wall_ms(lambda: mean(held), jax.block_until_ready, repeats)
