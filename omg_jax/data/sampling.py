"""Which frames of a video a dataset keeps, and which videos the published protocols test on."""

import numpy as np

from omg_jax.data.clips import Clip, Origin
from omg_jax.types import Camera, HeadParams

VFHQ_NUM_TEST_CLIPS, VFHQ_TEST_FRAMES = 50, 50
HDTF_TEST_FRAMES = 100
# The 20 names that are in use, without the one that another paper keeps as a driver.
HDTF_TEST = (
    "WDA_CatherineCortezMasto_000", "WDA_MartinHeinrich_000", "WDA_MikeDoyle_000", "WRA_DeanHeller_000",
    "WRA_ErikPaulsen_000", "WRA_GeoffDavis_000", "WRA_JoePitts_000", "WRA_JohnThune_000", "WRA_OlympiaSnowe_000",
    "WRA_ReincePriebus_000", "WRA_ReneeEllmers_000", "WRA_RichardShelby_000", "WRA_RobPortman_000", "WRA_RoyBlunt_000",
    "WRA_TimScott_000", "WRA_ToddYoung_000", "WRA_TomCotton_000", "WRA_TomPrice_000", "WRA_VickyHartzler_000",
)  # fmt: skip


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
    kept = Clip(
        clip.images[rows],
        clip.mattes[rows],
        HeadParams(*(field[rows] for field in clip.head_params)),
        Camera(*(field[rows] for field in clip.camera)),
    )
    return kept, origin._replace(frame_numbers=tuple(origin.frame_numbers[row] for row in rows))
