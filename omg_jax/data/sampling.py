"""Which frames of a video a dataset keeps, and which videos the published protocols test on."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from omg_jax.data.clips import Clip, Origin

VFHQ_NUM_TEST_CLIPS, VFHQ_TEST_FRAMES = 50, 50
HDTF_TEST_FRAMES = 100
# The 20 names that are in use, without the one that another paper keeps as a driver.
HDTF_TEST = (
    "WDA_CatherineCortezMasto_000", "WDA_MartinHeinrich_000", "WDA_MikeDoyle_000", "WRA_DeanHeller_000",
    "WRA_ErikPaulsen_000", "WRA_GeoffDavis_000", "WRA_JoePitts_000", "WRA_JohnThune_000", "WRA_OlympiaSnowe_000",
    "WRA_ReincePriebus_000", "WRA_ReneeEllmers_000", "WRA_RichardShelby_000", "WRA_RobPortman_000", "WRA_RoyBlunt_000",
    "WRA_TimScott_000", "WRA_ToddYoung_000", "WRA_TomCotton_000", "WRA_TomPrice_000", "WRA_VickyHartzler_000",
)  # fmt: skip


# How many frames a video has -> which of them a dataset keeps.
ChooseFrames = Callable[[int], tuple[int, ...]]


def split_folders(kind: str, source: str | Path) -> dict[str, tuple[Path, ChooseFrames]]:
    """Where the videos of each split of the dataset omg_KIND lie below a source folder, and which frames to keep.

    Those of omg_clips are the folders train, val and test; without any of them, all videos are for training.
    """
    source = Path(source)
    if not source.is_dir():
        raise ValueError(f"{source} is no folder; name the one that holds the videos")
    if kind == "clips":
        splits = {name: all_frames for name in ("train", "val", "test") if (source / name).is_dir()}
        return {name: (source / name, choose) for name, choose in splits.items()} or {"train": (source, all_frames)}
    choices = {
        "vfhq": {"train": vfhq_train_frames, "test": vfhq_test_frames},
        "hdtf": {"test": hdtf_test_frames},
    }[kind]
    found = {name: (source / name, choose) for name, choose in choices.items() if (source / name).is_dir()}
    if not found:
        raise ValueError(f"{source} has no folder {' or '.join(choices)}, which omg_{kind} is made of")
    return found


def protocol_notes(kind: str, names: dict[str, tuple[str, ...]]) -> list[str]:
    """How the test clips that are there, by split, differ from the published ones; nothing where they do not."""
    found = set(names.get("test", ()))
    if kind == "vfhq" and len(found) != VFHQ_NUM_TEST_CLIPS:
        return [f"VFHQ has {VFHQ_NUM_TEST_CLIPS} test clips, here are {len(found)}: no published numbers compare"]
    missing, extra = sorted(set(HDTF_TEST) - found), sorted(found - set(HDTF_TEST))
    if kind == "hdtf" and (missing or extra):
        return [
            f"HDTF's test has {len(HDTF_TEST)} sequences; missing: {', '.join(missing) or 'none'}; not among them: "
            f"{', '.join(extra) or 'none'}: no published numbers compare"
        ]
    return []


def vfhq_train_frames(num_frames: int) -> tuple[int, ...]:
    """25 frames of a clip of under 200, 50 of one of up to 300, 75 of a longer one (supplementary, data)."""
    return spread_frames(num_frames, 25 if num_frames < 200 else 50 if num_frames <= 300 else 75)


def vfhq_test_frames(num_frames: int) -> tuple[int, ...]:
    """50 frames of a test clip; the first is the source."""
    return spread_frames(num_frames, VFHQ_TEST_FRAMES)


def hdtf_test_frames(num_frames: int) -> tuple[int, ...]:
    """100 frames of a test sequence; the first is the source."""
    return spread_frames(num_frames, HDTF_TEST_FRAMES)


def all_frames(num_frames: int) -> tuple[int, ...]:
    """Every frame."""
    return tuple(range(num_frames))


def spread_frames(num_frames: int, count: int) -> tuple[int, ...]:
    """`count` frames from the first to the last, evenly spread; all where there are no more."""
    return tuple(np.linspace(0, num_frames - 1, min(count, num_frames)).round().astype(int).tolist())


def keep_frames(clip: Clip, origin: Origin, frames: tuple[int, ...]) -> tuple[Clip, Origin]:
    """Some frames of a clip, and where they come from."""
    rows = list(frames)
    kept = jax.tree.map(lambda x: x[rows], clip)
    return kept, origin._replace(frame_numbers=tuple(origin.frame_numbers[row] for row in rows))
