"""A training run: batches in, checkpoints, metrics, pictures and weights out."""

import contextlib
import signal
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from omg_jax.config import Config
from omg_jax.config_json import model_config_to_json
from omg_jax.data.augment import Augmentation, make_augmentation
from omg_jax.data.pairs import load_batch, prefetched
from omg_jax.models.omg import build_model
from omg_jax.models.precision import compute_dtype
from omg_jax.models.state import split_model
from omg_jax.models.weights import WeightsMeta, fits_head, load_weights, read_weights_meta, save_weights
from omg_jax.training.checkpoint import Checkpoints
from omg_jax.training.curriculum import level_at, levels_ahead
from omg_jax.training.job import SILENT, Job, Listener, check_job, origin
from omg_jax.training.parallel import (
    Driver,
    any_process,
    check_same_state,
    make_driver,
    part_of_process,
)
from omg_jax.training.records import Meter, write_config
from omg_jax.training.state import TrainState, init_state
from omg_jax.training.step import Frozen, TrainStep, make_train_step
from omg_jax.training.tokens import TokenCache
from omg_jax.training.watch import Watch
from omg_jax.types import PairBatch

WEIGHTS_NAME, BEST_WEIGHTS_NAME = "weights.safetensors", "weights_best.safetensors"
MAX_FLOAT32_BYTES = 16 * 2**20  # larger weights are written as float16
STOP_EVERY = 10  # steps after which several processes ask each other whether one was told to stop


class Outcome(NamedTuple):
    """How a run ended. weights is the file with the running mean of the weights."""

    state: TrainState
    finished: bool
    weights: Path


def train(job: Job, listener: Listener = SILENT) -> Outcome:
    """Trains until the last step, or until SIGTERM or SIGINT; then saves. The same job again continues from there.

    Writes below ``config.train.output``: config.json, environment.json, metrics.jsonl, metrics.csv, checkpoints/,
    pictures/ and weights.safetensors; with held-out clips validation.jsonl, validation.csv and
    weights_best.safetensors; tensorboard/ where tensorboardX is installed; profile/ where it is asked for. Of several
    processes the first writes; they need that folder in common.

    Raises:
        ValueError: the dataset, the head, the options, the devices and the checkpoint do not fit together.
        FloatingPointError: ``config.train.max_skipped`` batches in a row gave no finite loss and gradient. The state
            before them is saved.
    """
    check_job(job)
    options, folder = job.config.train, Path(job.config.train.output)
    model = build_model(job.config.model, job.head.model, options.seed, compute_dtype(job.config.precision))
    graphdef, params, constants = split_model(model)
    driver, cache = make_driver(options), TokenCache(job.taps, options.token_cache_mb)
    frozen = driver.replicate(Frozen(constants, job.perceptual))
    with Checkpoints(folder / "checkpoints") as checkpoints, stop_signals() as stop, contextlib.ExitStack() as block:
        state = starting_state(job, params, checkpoints, listener)
        first, meter = int(state.step), Meter(driver.collect)
        check_same_state(first, int(state.skipped))
        state = driver.replicate(state)
        del params
        watch = None
        if jax.process_index() == 0:
            write_config(folder, job.config)
            watch = block.enter_context(Watch(job, graphdef, constants, cache, first))
        run = Run(job, listener, driver, checkpoints, watch, meter)
        augmentation = make_augmentation(options.augment, job.head)
        if augmentation and options.augment.mirror and augmentation.mirrored_units is None:
            listener.on_note(f"pairs are not mirrored: the head {job.head.name} is not symmetric")
        listener.on_start(first)
        batches = block.enter_context(contextlib.closing(loaded_batches(job, first, cache, augmentation)))
        steps: dict[int, TrainStep] = {}
        for done in range(first + 1, options.num_steps + 1):
            with meter.waiting():
                batch = driver.place(next(batches))
            if not steps:
                steps = compiled_steps(job.config, graphdef, driver, first, (state, batch, frozen), listener)
                meter.restart()
            lod = level_at(options.curriculum, options.num_steps, options.seed, done - 1)
            if watch:
                watch.start_step(done, first + 1)
            state, metrics = steps[lod](state, batch, frozen)
            if watch:
                watch.end_step(done, state)
            meter.add(lod, metrics)
            listener.on_step(done)
            record(run, done, state)
            if meter.skipped_in_row >= options.max_skipped:
                break
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


class Run(NamedTuple):
    """What the records of a run are made with and for; watch: only on the first process."""

    job: Job
    listener: Listener
    driver: Driver
    checkpoints: Checkpoints
    watch: Watch | None
    meter: Meter


def record(run: Run, done: int, state: TrainState) -> None:
    """Logs, saves, draws and validates the state after ``done`` steps, where it is time to."""
    options, collect = run.job.config.train, run.driver.collect
    if done % options.log_every == 0:
        row = {"step": done, "skipped": int(collect(state.skipped)), **run.meter.means(options.batch_size)}
        if run.watch:
            run.watch.log(row)
        run.listener.on_log(row)
    if done % options.checkpoint_every == 0:
        keep(run.job, collect(state), run.checkpoints)
    if run.watch and done % options.picture_every == 0:
        run.watch.save_preview(collect(state))
    if run.watch and run.job.validation is not None and done % options.validate_every == 0:
        look_for_best(run.job, collect(state), run.watch, run.listener)


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


def compiled_steps(
    config: Config, graphdef: nnx.GraphDef, driver: Driver, first: int, arguments: tuple, listener: Listener = SILENT
) -> dict[int, TrainStep]:
    """The program of every level of detail that a run trains from step ``first`` on, compiled ahead.

    arguments: (state, batch, frozen) as the driver places them. A step donates, or may donate, its state.
    """
    levels, start = levels_ahead(config.train.curriculum, config.train.num_steps, first), time.perf_counter()

    def compiled(lod: int) -> TrainStep:
        return driver.compile(lambda axis_name: make_train_step(graphdef, config, lod, axis_name=axis_name), arguments)

    steps = {lod: compiled(lod) for lod in levels}
    names = ", ".join(str(lod) for lod in levels)
    listener.on_note(f"compiled the steps of level {names} in {time.perf_counter() - start:.1f} s")
    return steps


def loaded_batches(job: Job, first: int, cache: TokenCache, augmentation: Augmentation | None) -> Generator[PairBatch]:
    """The batches from step ``first`` to the end of the run, read ahead by threads."""
    options = job.config.train
    part = part_of_process(options.batch_size)

    def load(step: int) -> PairBatch:
        return load_batch(job.index, options.seed, step, options.batch_size, options.window, cache, part, augmentation)

    return prefetched(load, first, options.num_steps, options.loader_threads)


def keep(job: Job, state: TrainState, checkpoints: Checkpoints) -> Path:
    """Starts to save a checkpoint, and writes the running mean of the weights; returns the latter's path.

    All processes call it; the first writes.
    """
    checkpoints.save(state, origin(job))
    path = Path(job.config.train.output) / WEIGHTS_NAME
    if jax.process_index() == 0:
        save_average(path, job, state)
    return path


def look_for_best(job: Job, state: TrainState, watch: Watch, listener: Listener) -> None:
    """Measures the running mean of the weights on held-out clips, and keeps it where it is the best so far."""
    quality, is_best = watch.validate(state)
    if is_best:
        save_average(Path(job.config.train.output) / BEST_WEIGHTS_NAME, job, state)
    listener.on_note(f"step {int(state.step)}: {quality:.2f} dB on held-out clips{', the best so far' * is_best}")


def save_average(path: Path, job: Job, state: TrainState) -> None:
    """Writes the running mean of the weights."""
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state.average))
    meta = WeightsMeta(job.config.name, job.config.model, job.head.name, job.head.sha256, int(state.step))
    save_weights(path, state.average, meta, dtype=np.float32 if size <= MAX_FLOAT32_BYTES else np.float16)


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
