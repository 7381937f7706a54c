"""``omg dataset``: videos, or folders of clips, to a tensorflow-datasets dataset."""

import functools
from pathlib import Path
from typing import Annotated, Literal

import tyro

from omg_jax.cli.clips import stage, video_clip
from omg_jax.cli.console import console, note, report
from omg_jax.data.clips import write_index
from omg_jax.data.sampling import protocol_notes, split_folders
from omg_jax.data.staging import find_videos, is_staged
from omg_jax.head.load import load_head


def dataset(
    kind: Annotated[Literal["vfhq", "hdtf", "clips", "portraits"], tyro.conf.Positional],
    source: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    head: str = "arkit",
    workers: int = 1,
    json: bool = False,
) -> None:
    """Videos, or folders of clips, to a dataset to train on. The same command again goes on after an interruption.

    Args:
        kind: "clips": any videos of people who talk; "vfhq", "hdtf": the published datasets, with their splits and
            frames; "portraits": synthetic clips.
        source: The folder of videos (with folders train and test in it, where there are splits), or of clips.
        output: The folder of datasets; the clips made on the way lie in it too.
        head: The head model to track videos with: arkit.
        workers: Processes that track videos; 0 tracks them in this one.
        json: Print one JSON object.
    """
    try:
        from omg_jax.data.builders import build_dataset
    except ImportError as error:
        raise ImportError("omg dataset needs tensorflow-datasets: pip install 'omg_jax[data]'") from error
    ready = is_staged(source) or kind == "portraits"
    clips = source if ready else output / "clips" / kind
    failed = {} if ready else stage_splits(kind, source, clips, head, workers)
    with console.status("writing records"):
        built = build_dataset(kind, clips, output)
    for name, reason in built.skipped.items():
        note(f"left out {name}: {reason}")
    report(
        {
            "dataset": str(built.folder),
            **{f"{split}_frames": count for split, count in built.num_frames.items()},
            "left_out": {**failed, **built.skipped},
        },
        as_json=json,
    )


def stage_splits(kind: str, source: Path, clips: Path, head: str, workers: int) -> dict[str, str]:
    """Tracks the videos of every split to folders of clips; returns those that failed, and why."""
    failed, names = {}, {}
    model = load_head(head)
    for split, (folder, choose) in split_folders(kind, source).items():
        load = functools.partial(video_clip, head=head, choose=choose)
        lost = stage(find_videos(folder), clips / split, load, workers)
        failed |= {f"{split}/{name}": reason for name, reason in lost.items()}
        names[split] = write_index(clips / split, model.name, model.sha256).names
    for line in protocol_notes(kind, names):
        note(line)
    return failed
