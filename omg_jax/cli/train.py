"""``omg train``: trains a preset on a folder of clips."""

from pathlib import Path
from typing import Annotated

import jax
import tyro
from rich.progress import Progress, TaskID

from omg_jax.assets.registry import asset_path
from omg_jax.cli.console import console, note, progress_bar, readable, report
from omg_jax.cli.network import backbone_path
from omg_jax.config import Config
from omg_jax.configs import load_preset, preset_names
from omg_jax.data.frame_source import TFDS_INFO_NAME, FrameSource, open_frames
from omg_jax.data.schema import load_table
from omg_jax.head.load import load_head
from omg_jax.losses.perceptual_weights import load_perceptual
from omg_jax.models.dinov2_weights import load_dinov2
from omg_jax.training.job import Job, Listener
from omg_jax.training.loop import train as run_training
from omg_jax.training.parallel import make_deterministic, start_processes
from omg_jax.training.records import Row
from omg_jax.training.tokens import backbone_taps

SHOWN = ("loss", "l2_refined", "ssim_refined", "perceptual_refined", "seconds")

Preset = tyro.extras.subcommand_type_from_defaults(
    {name: load_preset(name) for name in preset_names()}, prefix_names=False
)


def train(config: Annotated[Preset, tyro.conf.arg(name="")], json: bool = False) -> None:
    """Trains a preset on a folder of clips; the same command again continues after an interruption.

    Args:
        config: The preset and every option of it.
        json: Print one JSON object at the end.
    """
    if config.train.deterministic:
        make_deterministic()
    start_processes(config.train.distributed)
    job = prepare(config)
    if jax.process_index() > 0:  # one process speaks for all
        run_training(job)
        return
    with progress_bar() as progress:
        outcome = run_training(job, listener(progress, config.train.num_steps))
    report(
        {
            "weights": str(outcome.weights),
            "steps": int(outcome.state.step),
            "skipped": int(outcome.state.skipped),
            "finished": outcome.finished,
        },
        as_json=json,
    )


def prepare(config: Config) -> Job:
    """Reads what the run needs: the dataset's index, the head, the frozen networks."""
    if not config.train.data:
        raise ValueError("no clips to train on; give --train.data FOLDER with a folder of clips or a built dataset")
    index = open_frames(config.train.data)
    backbone = load_dinov2(config.model.backbone, backbone_path(config.model.backbone))
    return Job(
        config=config,
        index=index,
        head=load_head(config.head),
        taps=backbone_taps(backbone, config.model.backbone_size),
        perceptual=load_perceptual(asset_path(config.train.losses.perceptual_net)),
        validation=open_validation(Path(config.train.validation)) if config.train.validation else None,
    )


def open_validation(root: Path) -> FrameSource:
    """The clips held out for a run: a dataset's split "val" where it has one, else "test"; or a folder of clips."""
    has_val = (root / TFDS_INFO_NAME).is_file() and "val" in load_table(root).splits
    return open_frames(root, "val" if has_val else "test")


def listener(progress: Progress, num_steps: int) -> Listener:
    """Shows a run as a progress bar, with the logged numbers above it."""
    task: TaskID = progress.add_task("training", total=num_steps)

    def on_log(row: Row) -> None:
        numbers = "  ".join(f"{name} {readable(row[name])}" for name in SHOWN)
        console.print(f"step {row['step']}  {numbers}  skipped {row['skipped']}")

    return Listener(
        on_start=lambda first: progress.update(task, completed=first),
        on_step=lambda done: progress.update(task, completed=done),
        on_log=on_log,
        on_note=note,
    )
