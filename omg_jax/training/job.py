"""What a run is told, what it tells, and whether its parts fit together."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

from omg_jax.config import Config, TrainConfig
from omg_jax.data.augment import check_augment
from omg_jax.data.frame_source import FrameSource
from omg_jax.data.pairs import check_pairs
from omg_jax.head.load import Head
from omg_jax.losses.perceptual import PerceptualParams
from omg_jax.training.checkpoint import Origin
from omg_jax.training.curriculum import check_curriculum
from omg_jax.training.parallel import num_devices
from omg_jax.training.records import Row
from omg_jax.training.tokens import Taps


class Job(NamedTuple):
    """What a run trains on: options, dataset, head, the frozen backbone (photos -> taps), perceptual weights.

    validation: clips that it does not train on, to find the best weights by; None: the last ones are the best.
    """

    config: Config
    index: FrameSource
    head: Head
    taps: Callable[[Float[Array, "b h w 3"]], Taps]
    perceptual: PerceptualParams
    validation: FrameSource | None = None


class Listener(NamedTuple):
    """Who is told how a run goes: first step, number of steps done, row of metrics, a sentence for people."""

    on_start: Callable[[int], None]
    on_step: Callable[[int], None]
    on_log: Callable[[Row], None]
    on_note: Callable[[str], None]


SILENT = Listener(*[lambda _: None] * 4)


def check_job(job: Job) -> None:
    """Raises ValueError where options, dataset and head do not fit together."""
    options = job.config.train
    check_pairs(job.index, job.config.model.image_size, options.window)
    check_window(job.config)
    check_bookkeeping(options)
    check_augment(options.augment)
    check_curriculum(options.curriculum, job.config.model.num_levels)
    num_devices(options)
    check_head(job, job.index)
    if job.validation is not None:
        check_pairs(job.validation, job.config.model.image_size, job.config.model.image_size)
        check_head(job, job.validation)


def check_head(job: Job, clips: FrameSource) -> None:
    """Raises ValueError where clips hold parameters of another head than the job's."""
    if clips.head_sha256 != job.head.sha256:
        raise ValueError(
            f"the clips of {clips.root} hold parameters of head {clips.head_name} ({clips.head_sha256[:12]}), expected "
            f"{job.head.name} ({job.head.sha256[:12]}): give the clips' own --head"
        )


def check_bookkeeping(options: TrainConfig) -> None:
    """Raises ValueError where what a run writes down has no sense."""
    for name in ("log_every", "checkpoint_every", "picture_every", "validate_every", "validation_pairs"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name}: expected at least 1, got {getattr(options, name)}")
    if options.profile is not None and not 1 <= options.profile[0] <= options.profile[1]:
        raise ValueError(
            f"profile: expected the first and the last step to trace, counted from 1, got {options.profile}; set "
            "--train.profile 100 110"
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
