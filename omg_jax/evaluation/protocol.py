"""Protocols of reenactment, as data: who drives whom, and all else that decides a number. Printed into every result."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from omg_jax.data.sampling import spread_frames


@dataclass(frozen=True)
class Protocol:
    """What is compared with what.

    The sentences say what the code does; version goes up with any change that alters a number. Two results compare
    where their protocols are equal in every field.
    """

    name: str
    """"self" or "cross"."""
    version: int
    pairing: str
    """Which clip drives which photo."""
    drivers: str
    """Which frames of the driver clip drive."""
    targets: str
    """What a method's pictures are compared with."""
    source_frame: int = 0
    """The frame of the source clip that is the photo."""
    shape: str = (
        "the head's shape is the source frame's; pose, expression and camera are each driver frame's, and so is the "
        "torso where the data hold it: its motion since the source frame, or since the driver clip's first"
    )
    image_size: tuple[int, int] = (512, 512)
    """(height, width) of every picture, in pixels."""
    background: str = "black: photos and targets are multiplied by their matte, and black where it is 0"
    crop: str = (
        "as the data have it; of videos that we track, one square window for a whole clip: its centre is that of the "
        "projected skull's box (skin and ears, without the neck), its side 1.65 times the geometric mean of the box's "
        "sides, and the box the median over frames, seen by a camera of a focal length of 12 half sides; beyond the "
        "video's frame its edges go on, but above it is black"
    )
    camera: str = (
        "as the data have it; of videos that we track, heads are fitted with a focal length of 8 half sides; "
        "expressions and rotations of pictures are measured with the same"
    )
    rounding: str = "every picture is clipped to [0, 1] and rounded to 8 bits before it is measured"
    exclusions: str = "none beyond what the data leave out"
    min_motion: float = 0.0
    """The data hold frames that moved from their clip's first by more than this: the mean distance of 478 landmarks,
    over the distance of the outer corners of the eyes in the first frame. 0: they were not chosen so."""
    max_frames: int | None = None
    """At most so many driver frames of a clip, spread evenly from the first to the last; None takes all."""
    max_pairs: int | None = None
    """At most so many pairs, the first in the order of the clips' names; None takes all."""


FREE_FIELDS = ("max_pairs",)  # two that differ in these alone agree on every pair that both have
PROTOCOLS = {
    "self": Protocol(
        name="self",
        version=3,
        pairing="each clip drives its own first frame",
        drivers="all frames of the clip but the source frame",
        targets="the driver frame",
    ),
    "cross": Protocol(
        name="cross",
        version=3,
        pairing="pair i: the photo is of clip i, the driver clip (i + 1) mod n of n clips in the order of their names",
        drivers="all frames of the driver clip",
        targets="none: identity is compared with the photo, pose and expression with the driver frame",
        max_frames=50,
    ),
}


def driver_frames(protocol: Protocol, num_frames: int) -> tuple[int, ...]:
    """Which of a driver clip's frames drive. ValueError where there is none."""
    frames = [index for index in range(num_frames) if protocol.name != "self" or index != protocol.source_frame]
    if not frames:
        raise ValueError(f"a clip of {num_frames} frame has none left to drive it; expected at least two frames")
    return tuple(frames[index] for index in spread_frames(len(frames), protocol.max_frames or len(frames)))


def pair_clips(protocol: Protocol, num_clips: int) -> list[tuple[int, int]]:
    """(source, driver) clips of every pair. ValueError where there are too few clips."""
    shift = 0 if protocol.name == "self" else 1
    if num_clips <= shift:
        raise ValueError(f"protocol {protocol.name} needs at least {shift + 1} clips, got {num_clips}")
    pairs = [(index, (index + shift) % num_clips) for index in range(num_clips)]
    return pairs[: protocol.max_pairs]


def protocol_to_json(protocol: Protocol) -> dict[str, Any]:
    """The protocol as JSON values."""
    return {**dataclasses.asdict(protocol), "image_size": list(protocol.image_size)}


def check_protocol(found: dict[str, Any], protocol: Protocol, place: str) -> None:
    """ValueError, naming the first difference, where what was found in a place was made by another protocol.

    It may have been made of more or fewer pairs (FREE_FIELDS).
    """
    expected = protocol_to_json(protocol)
    for field, value in expected.items():
        if field not in FREE_FIELDS and found.get(field) != value:
            raise ValueError(
                f"{place} was made by another protocol: its {field} is {found.get(field)!r}, expected {value!r} "
                f"(protocol {protocol.name}, version {protocol.version}); make it again by this one"
            )
