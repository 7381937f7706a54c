"""A training run: batches in, checkpoints, metrics, pictures and weights out."""

import contextlib
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import Config
from omg_jax.config_json import model_config_to_json
from omg_jax.data.frame_source import FrameSource
from omg_jax.data.pairs import check_pairs, load_batch, prefetched
from omg_jax.head.load import Head
from omg_jax.losses.perceptual import PerceptualParams
from omg_jax.models.omg import build_model
from omg_jax.models.state import split_model
from omg_jax.models.weights import WeightsMeta, fits_head, load_weights, read_weights_meta, save_weights
from omg_jax.training.checkpoint import Checkpoints, Origin
from omg_jax.training.curriculum import check_curriculum, level_at
from omg_jax.training.parallel import (
    Driver,
    any_process,
    check_same_state,
    make_driver,
    num_devices,
    part_of_process,
)
from omg_jax.training.pictures import grid_row, save_grid
from omg_jax.training.records import Meter, MetricLog, Row, write_config
from omg_jax.training.state import TrainState, init_state
from omg_jax.training.step import Frozen, TrainStep, make_train_step, predict
from omg_jax.training.tokens import Taps, TokenCache
from omg_jax.types import PairBatch

WEIGHTS_NAME = "weights.safetensors"
MAX_FLOAT32_BYTES = 16 * 2**20  # larger weights are written as float16
NUM_PREVIEWS = 3
STOP_EVERY = 10  # steps after which several processes ask each other whether one was told to stop


class Job(NamedTuple):
    """What a run trains on: options, dataset, head, the frozen backbone (photos -> taps), perceptual weights."""

    config: Config
    index: FrameSource
    head: Head
    taps: Callable[[Float[Array, "b h w 3"]], Taps]
    perceptual: PerceptualParams


class Listener(NamedTuple):
    """Who is told how a run goes: first step, number of steps done, row of metrics, a sentence for people."""

    on_start: Callable[[int], None]
    on_step: Callable[[int], None]
    on_log: Callable[[Row], None]
    on_note: Callable[[str], None]


SILENT = Listener(*[lambda _: None] * 4)


class Outcome(NamedTuple):
    """How a run ended. weights is the file with the running mean of the weights."""

    state: TrainState
    finished: bool
    weights: Path


def train(job: Job, listener: Listener = SILENT) -> Outcome:
    """Trains until the last step, or until SIGTERM or SIGINT; then saves. The same job again continues from there.

    Writes below ``config.train.output``: config.json, metrics.jsonl, metrics.csv, checkpoints/, pictures/ and
    weights.safetensors. Of several processes the first writes; they need that folder in common.

    Raises:
        ValueError: the dataset, the head, the options, the devices and the checkpoint do not fit together.
        FloatingPointError: ``config.train.max_skipped`` batches in a row gave no finite loss and gradient. The state
            before them is saved.
    """
    check_job(job)
    options, folder = job.config.train, Path(job.config.train.output)
    graphdef, params, constants = split_model(build_model(job.config.model, job.head.model, options.seed))
    driver, cache = make_driver(options), TokenCache(job.taps, options.token_cache_mb)
    frozen = driver.replicate(Frozen(constants, job.perceptual))
    steps = compiled_steps(graphdef, job.config, driver)
    first_process = jax.process_index() == 0
    with Checkpoints(folder / "checkpoints") as checkpoints, stop_signals() as stop:
        state = starting_state(job, params, checkpoints, listener)
        first, meter = int(state.step), Meter()
        check_same_state(first, int(state.skipped))
        state = driver.replicate(state)
        del params
        if first_process:
            write_config(folder, job.config)
            log = MetricLog(folder, first)
        listener.on_start(first)
        with contextlib.closing(loaded_batches(job, first, cache)) as batches:
            for done in range(first + 1, options.num_steps + 1):
                with meter.waiting():
                    batch = next(batches)
                lod = level_at(options.curriculum, options.num_steps, options.seed, done - 1)
                state, metrics = steps[lod](state, driver.place(batch), frozen)
                meter.add({"lod": lod, **driver.collect(metrics)})
                listener.on_step(done)
                if done % options.log_every == 0:
                    row = {"step": done, "skipped": int(driver.collect(state.skipped)), **meter.means()}
                    if first_process:
                        log.write(row)
                    listener.on_log(row)
                    if meter.skipped_in_row >= options.max_skipped:
                        break
                if done % options.checkpoint_every == 0:
                    keep(job, driver.collect(state), checkpoints)
                if done % options.picture_every == 0 and first_process:
                    save_preview(job, graphdef, driver.collect(state), constants, cache)
                if (jax.process_count() == 1 or done % STOP_EVERY == 0) and any_process(stop.is_set()):
                    listener.on_note(f"stopped by a signal after step {done}; the same command continues")
                    break
        state = driver.collect(state)
        weights = keep(job, state, checkpoints)
    if meter.skipped_in_row >= options.max_skipped:
        raise FloatingPointError(
            f"training stopped after step {int(state.step)}: the last {meter.skipped_in_row} batches gave a loss or "
            "gradient that is not finite. What was learnt before them is saved; look at metrics.csv and the data, and "
            "lower --train.learning-rate"
        )
    return Outcome(state, int(state.step) >= options.num_steps, weights)


def check_job(job: Job) -> None:
    """Raises ValueError where options, dataset and head do not fit together."""
    options = job.config.train
    check_pairs(job.index, job.config.model.image_size, options.window)
    check_window(job.config)
    check_curriculum(options.curriculum, job.config.model.num_levels)
    num_devices(options)
    if job.index.head_sha256 != job.head.sha256:
        raise ValueError(
            f"the clips of {job.index.root} hold parameters of head {job.index.head_name} "
            f"({job.index.head_sha256[:12]}), expected {job.head.name} ({job.head.sha256[:12]}): give the clips' own "
            "--head"
        )


def check_window(config: Config) -> None:
    """Raises ValueError where the refiner or the perceptual term cannot work on the target's window."""
    window, refiner, crop = config.train.window, config.model.refiner, config.train.losses.perceptual_size
    if config.model.parts.refiner and refiner is None and window != config.model.image_size:
        raise ValueError(
            f"the paper's refiner works on whole pictures of {config.model.image_size} pixels, got a target window of "
            f"{window}; set --train.window {config.model.image_size}"
        )
    step = 2 ** (len(refiner.widths) - 1) if refiner else 1
    if window % step:
        raise ValueError(
            f"the refiner halves the target window {len(refiner.widths) - 1} times, so that it must be a multiple of "
            f"{step} pixels, got {window}; set --train.window {window - window % step or step}"
        )
    if window < crop:
        raise ValueError(
            f"the target window must hold the perceptual term's crop of {crop} pixels, got {window}; set "
            f"--train.window or --train.losses.perceptual-size"
        )


def origin(job: Job) -> Origin:
    """What the job's checkpoints are made with."""
    return Origin(job.config, job.index.sha256, job.head.sha256)


def starting_state(job: Job, params: dict, checkpoints: Checkpoints, listener: Listener) -> TrainState:
    """The newest checkpoint's state; else a fresh one, from init_weights where they are given."""
    options = job.config.train
    latest = checkpoints.latest()
    if latest is not None:
        listener.on_note(f"continuing from the checkpoint of step {latest} in {options.output}")
        return checkpoints.restore(init_state(params, options), origin(job))
    if options.init_weights:
        listener.on_note(f"starting from the weights {options.init_weights}")
        params = initial_weights(job, params)
    return init_state(params, options)


def initial_weights(job: Job, like: dict) -> dict:
    """The params of ``train.init_weights``; ValueError where they are another network's or another head's."""
    path = Path(job.config.train.init_weights)
    meta = read_weights_meta(path)
    if not fits_head(meta, job.head.name, job.head.sha256):
        raise ValueError(
            f"train.init_weights: {path} was trained with head {meta.head_name} ({meta.head_sha256[:12]}), expected "
            f"{job.head.name} ({job.head.sha256[:12]})"
        )
    given, wanted = model_config_to_json(meta.model), model_config_to_json(job.config.model)
    odd = [name for name in wanted if given[name] != wanted[name]]
    if odd:
        raise ValueError(
            f"train.init_weights: {path} was trained with model.{odd[0]} = {given[odd[0]]}, this run has "
            f"{wanted[odd[0]]}: give the same options"
        )
    return load_weights(path, like)


def compiled_steps(graphdef: nnx.GraphDef, config: Config, driver: Driver) -> list[TrainStep]:
    """One program per level of detail, compiled when first used. Each donates the state that it is given."""

    def compiled(lod: int) -> TrainStep:
        return driver.compile(lambda axis_name: make_train_step(graphdef, config, lod, axis_name=axis_name))

    return [compiled(lod) for lod in range(config.model.num_levels + 1)]


def loaded_batches(job: Job, first: int, cache: TokenCache) -> Generator[PairBatch]:
    """The batches from step ``first`` to the end of the run, read ahead by threads."""
    options = job.config.train
    part = part_of_process(options.batch_size)

    def load(step: int) -> PairBatch:
        return load_batch(job.index, options.seed, step, options.batch_size, options.window, cache, part)

    return prefetched(load, first, options.num_steps, options.loader_threads)


def keep(job: Job, state: TrainState, checkpoints: Checkpoints) -> Path:
    """Starts to save a checkpoint, and writes the running mean of the weights; returns the latter's path.

    All processes call it; the first writes.
    """
    checkpoints.save(state, origin(job))
    path = Path(job.config.train.output) / WEIGHTS_NAME
    if jax.process_index() > 0:
        return path
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state.average))
    meta = WeightsMeta(job.config.name, job.config.model, job.head.name, job.head.sha256, int(state.step))
    save_weights(path, state.average, meta, dtype=np.float32 if size <= MAX_FLOAT32_BYTES else np.float16)
    return path


def save_preview(job: Job, graphdef: nnx.GraphDef, state: TrainState, constants: nnx.State, cache: TokenCache) -> None:
    """Writes the same few pairs, whole pictures at the finest level, by the running mean of the weights."""
    size, lod = job.config.model.image_size, job.config.model.num_levels
    rows = []
    for sample in range(NUM_PREVIEWS):
        batch = load_batch(job.index, job.config.train.seed, sample, 1, size, cache)
        rows.append(grid_row(batch, _predict(graphdef, state.average, constants, batch, lod)))
    save_grid(Path(job.config.train.output) / "pictures" / f"step_{int(state.step):07d}.png", rows)


_predict = jax.jit(predict, static_argnums=(0, 4))


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets inside the block; nothing sets it outside the main thread."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
