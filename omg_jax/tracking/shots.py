"""Cuts: where a video's picture changes so abruptly that nothing may be followed across."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

THUMBNAIL = 24  # pixels
# Mean change of a thumbnail's values, of 255. Fast heads stay below 8, cuts between views of one room lie above 15.
CUT_CHANGE = 12.0
CUT_OVER_NEIGHBOURS = 4.0  # a cut's change over the median of those around it: a shaken camera makes no cuts
NEIGHBOURS = 10
SHORTEST_SHOT = 6  # frames; what is shorter is a flash or a fault of the file, and belongs to the shot before


class Shot(NamedTuple):
    """Frames from start to stop (not included) between two cuts."""

    start: int
    stop: int


class Cut(NamedTuple):
    """A possible cut before a frame: thumbnails of the frame before and of this one."""

    frame: int
    before: Float[np.ndarray, "s s 3"]
    after: Float[np.ndarray, "s s 3"]


def find_shots(frames: Iterable[UInt8[np.ndarray, "h w 3"]]) -> list[Shot]:
    """The shots of a video, in order and without gaps; none where there is no frame. Frames are seen one at a time."""
    changes, cuts, previous = [], [], None
    for index, frame in enumerate(frames):
        now = thumbnail(frame)
        changes.append(0.0 if previous is None else change(previous, now))
        if changes[-1] > CUT_CHANGE:
            cuts.append(Cut(index, previous, now))
        previous = now
    return join_flashes(_sharp(cuts, np.array(changes)), len(changes))


def join_flashes(cuts: list[Cut], count: int) -> list[Shot]:
    """Shots between cuts. Pieces of a few frames join the shot before, and so does what follows if it looks alike."""
    pieces = list(zip([0, *(cut.frame for cut in cuts)], [*(cut.frame for cut in cuts), count], strict=True))
    long = [index for index, (start, stop) in enumerate(pieces) if stop - start >= SHORTEST_SHOT]
    if not long:
        return [Shot(0, count)] if count else []
    starts = [0]
    for before, after in zip(long, long[1:], strict=False):
        # The last picture before the first short piece, and the first one after the last.
        if change(cuts[before].before, cuts[after - 1].after) > CUT_CHANGE:
            starts.append(pieces[after][0])
    return [Shot(start, stop) for start, stop in zip(starts, [*starts[1:], count], strict=True)]


def thumbnail(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "s s 3"]:
    """A small picture without its mean colour: a camera that sets its exposure anew makes no cut."""
    small = cv2.resize(frame, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    return small - small.mean(axis=(0, 1))


def change(before: Float[np.ndarray, "s s 3"], after: Float[np.ndarray, "s s 3"]) -> float:
    """Mean absolute difference of two thumbnails."""
    return float(np.abs(after - before).mean())


def _sharp(cuts: list[Cut], changes: np.ndarray) -> list[Cut]:
    """The cuts that stand out of the changes around them."""

    def around(frame: int) -> float:
        window = np.r_[changes[max(1, frame - NEIGHBOURS) : frame], changes[frame + 1 : frame + 1 + NEIGHBOURS]]
        return float(np.median(window)) if len(window) else 0.0

    return [cut for cut in cuts if changes[cut.frame] > CUT_OVER_NEIGHBOURS * around(cut.frame)]
