"""What the first process of a run writes for people: metrics, TensorBoard events, pictures, and the best weights."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.data.frame_source import FrameSource
from omg_jax.data.pairs import Pair, load_batch, load_pair, stack_pairs
from omg_jax.losses.photometric import psnr
from omg_jax.models.state import merge_model
from omg_jax.training.job import Job
from omg_jax.training.pictures import grid_row, preview, save_grid
from omg_jax.training.records import MetricLog, Row, read_metrics
from omg_jax.training.state import Params, TrainState
from omg_jax.training.tokens import TokenCache
from omg_jax.types import PairBatch

NUM_PREVIEWS = 3
VALIDATION = "validation"  # validation.jsonl and validation.csv
BOARD, PROFILE = "tensorboard", "profile"  # folders
HELD_OUT_CACHE_MB = 256  # of tokens; clips of another dataset have the same numbers, so they need a cache of their own


class Watch:
    """Follows one run from its step ``first`` on; use it in a ``with`` block. tokens: those of the run's own clips."""

    def __init__(self, job: Job, graphdef: nnx.GraphDef, constants: nnx.State, tokens: TokenCache, first: int):
        self._job, self._options = job, job.config.train
        self._folder = Path(self._options.output)
        self._finest = job.config.model.num_levels
        self._graphdef, self._constants = graphdef, constants
        self._tokens = tokens
        self._log = MetricLog(self._folder, first)
        self._board = open_board(self._folder / BOARD, first)
        self._is_tracing, self._best = False, -np.inf
        if job.validation is not None:
            self._validation_log = MetricLog(self._folder, first, VALIDATION)
            self._best = max((row["psnr"] for row in read_metrics(self._folder, VALIDATION)), default=-np.inf)
            self._held_out = held_out_pairs(job.validation, self._options.validation_pairs)
            self._held_out_tokens = TokenCache(job.taps, HELD_OUT_CACHE_MB)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *failure: Any) -> None:
        if self._is_tracing:
            self._stop_trace()
        if self._board is not None:
            self._board.close()

    def start_step(self, step: int, first: int) -> None:
        """Before a step of a run that began with step ``first``: starts jax.profiler's trace where it is time to."""
        steps = self._options.profile
        if steps and step == max(steps[0], first) <= steps[1]:
            jax.profiler.start_trace(self._folder / PROFILE)
            self._is_tracing = True

    def end_step(self, step: int, state: TrainState) -> None:
        """After a step, which may still be computing the state: ends the trace with its last step."""
        if self._is_tracing and step == self._options.profile[1]:
            jax.block_until_ready(state)
            self._stop_trace()

    def _stop_trace(self) -> None:
        jax.profiler.stop_trace()
        self._is_tracing = False

    def log(self, row: Row) -> None:
        """Appends a row of metrics."""
        self._log.write(row)
        self._show({name: value for name, value in row.items() if name != "step"}, row["step"])

    def save_preview(self, state: TrainState) -> None:
        """Writes the same few pairs, whole pictures, by the running mean of the weights."""
        job, size, step = self._job, self._job.config.model.image_size, int(state.step)
        rows = []
        for sample in range(NUM_PREVIEWS):
            batch = load_batch(job.index, self._options.seed, sample, 1, size, self._tokens)
            rows.append(grid_row(batch, _preview(self._graphdef, state.average, self._constants, batch, self._finest)))
        grid = save_grid(self._folder / "pictures" / f"step_{step:07d}.png", rows)
        if self._board is not None:
            self._board.add_image("pairs", grid, step, dataformats="HWC")

    def validate(self, state: TrainState) -> tuple[float, bool]:
        """(PSNR of the running mean of the weights on the held-out pairs in dB, whether no earlier one did as well)."""
        size, rows = self._job.config.model.image_size, []
        for pair in self._held_out:
            batch = stack_pairs([load_pair(self._job.validation, pair, size, self._held_out_tokens)])
            rows.append(_quality(self._graphdef, state.average, self._constants, batch, self._finest))
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        self._validation_log.write({"step": int(state.step), **means})
        self._show({f"{VALIDATION}/{name}": value for name, value in means.items()}, int(state.step))
        is_best = means["psnr"] > self._best
        self._best = max(self._best, means["psnr"])
        return means["psnr"], is_best

    def _show(self, values: Row, step: int) -> None:
        if self._board is not None:
            for name, value in values.items():
                if value is not None:
                    self._board.add_scalar(name, value, step)


def open_board(folder: Path, first: int) -> Any | None:
    """A writer of TensorBoard's events after step ``first``; None where tensorboardX is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=first + 1)


def held_out_pairs(clips: FrameSource, count: int) -> list[Pair]:
    """As many pairs: one clip after the other, its first frame as the source, a later one as the target."""
    pairs = []
    for number in range(count):
        turn, clip = divmod(number, len(clips.names))
        frames = clips.num_frames[clip]
        # Spread over the clip: the middle first, then quarters, eighths ... of the way to its end.
        pairs.append(Pair(clip, 0, 1 + int(_halves(turn) * (frames - 1)), (0.0, 0.0)))
    return pairs


def _halves(number: int) -> float:
    """0.5, 0.25, 0.75, 0.125 ... in [0, 1): van der Corput's sequence."""
    value, share, number = 0.0, 0.5, number + 1
    while number:
        value, share, number = value + share * (number % 2), share / 2, number // 2
    return value


_preview = jax.jit(preview, static_argnums=(0, 4))


@functools.partial(jax.jit, static_argnums=(0, 4))
def _quality(
    graphdef: nnx.GraphDef, params: Params, constants: nnx.State, batch: PairBatch, lod: int
) -> dict[str, Float[Array, ""]]:
    """PSNR of the refined and of the coarse picture, dB."""
    output = merge_model(graphdef, params, constants).forward_pair(batch, lod)
    pictures = {"psnr": output.refined, "psnr_coarse": output.coarse}
    return {name: jnp.mean(psnr(picture, batch.target_image)) for name, picture in pictures.items()}
