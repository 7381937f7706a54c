"""Data to evaluate on, as pairs: a folder of clips, a built dataset, or the public clips."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omg_jax.data.clips import Clip
from omg_jax.data.frame_source import TFDS_INFO_NAME, FrameSource, open_frames
from omg_jax.data.schema import load_table
from omg_jax.evaluation.pair import Pair
from omg_jax.evaluation.protocol import Protocol, driver_frames, pair_clips
from omg_jax.head.load import Head
from omg_jax.tracking.people import Told, tell_nobody
from omg_jax.types import Camera, HeadParams, Torso

PUBLIC = "public"
SPLITS = ("train", "val", "test")  # folders of these names are called by their parent's too


class PairSet(NamedTuple):
    """The pairs that a protocol makes of a dataset, each by its name and loaded when asked for.

    data tells which data they are: a name, and a sha256 that is the same wherever they lie.
    """

    protocol: Protocol
    data: dict[str, str]
    pairs: dict[str, Callable[[], Pair]]


def open_pairs(data: str, protocol: Protocol, head: Head, told: Told = tell_nobody) -> PairSet:
    """The pairs of some data.

    data: "public" (see public.py), or the path of a folder of clips or of a built dataset (its split "test" if it has
    one). told hears of the making of the public clips.

    ValueError where the data are none, their pictures are not of the protocol's size, their head is another one, or
    there are too few clips.
    """
    if data == PUBLIC:
        from omg_jax.evaluation.public import MIN_MOTION, public_clips  # it tracks, which needs an extra

        protocol = dataclasses.replace(protocol, min_motion=MIN_MOTION)
        return pairs_of(open_frames(public_clips(head, told)), PUBLIC, protocol, head)
    root, split = Path(data).resolve(), "train"
    name = f"{root.parent.name}/{root.name}" if root.name in SPLITS else root.name
    if (root / TFDS_INFO_NAME).is_file():
        splits = load_table(root).splits
        split = "test" if "test" in splits else next(iter(splits))
        name = f"{root.parent.name}/{split}"
    return pairs_of(open_frames(root, split), name, protocol, head)


def pairs_of(source: FrameSource, name: str, protocol: Protocol, head: Head) -> PairSet:
    """The pairs of a source of frames that is called by a name."""
    if tuple(source.image_size) != protocol.image_size:
        (height, width), (rows, columns) = source.image_size, protocol.image_size
        raise ValueError(
            f"the pictures of {source.root} are {width}x{height}, expected {columns}x{rows} by protocol "
            f"{protocol.name}: make the dataset again at that size"
        )
    if source.head_sha256 != head.sha256:
        raise ValueError(
            f"{source.root} was tracked with head {source.head_name} ({source.head_sha256[:12]}), this is "
            f"{head.name} ({head.sha256[:12]}): give the head of the data by --head, or track them again"
        )

    def pair(clips: tuple[int, int]) -> tuple[str, Callable[[], Pair]]:
        one, other = (source.names[clip] for clip in clips)
        return one if protocol.name == "self" else f"{one}--{other}", lambda: load_pair(source, protocol, *clips)

    pairs = dict(map(pair, pair_clips(protocol, len(source.names))))
    return PairSet(protocol, {"name": name, "sha256": source.sha256}, pairs)


def load_pair(source: FrameSource, protocol: Protocol, source_clip: int, driver_clip: int) -> Pair:
    """One pair, loaded: the photo of one clip and the driver frames of the same or another one."""
    frames, is_self = driver_frames(protocol, source.num_frames[driver_clip]), source_clip == driver_clip
    numbers = source.frame_numbers(driver_clip)
    photo = source.frames(source_clip, [protocol.source_frame])
    driver = source.frames(driver_clip, frames)
    image, matte = on_black(photo)
    images, mattes = on_black(driver)
    params, camera = HeadParams(*(x[0] for x in photo.head_params)), Camera(*(x[0] for x in photo.camera))
    shapes = np.broadcast_to(params.shape_params, (len(frames), *params.shape_params.shape))
    names = source.names
    return Pair(
        name=names[source_clip] if is_self else f"{names[source_clip]}--{names[driver_clip]}",
        source_image=image[0],
        source_matte=matte[0],
        source_params=params,
        source_camera=camera,
        driver_images=images,
        driver_mattes=mattes,
        driver_params=driver.head_params._replace(shape_params=shapes),
        driver_camera=driver.camera,
        frame_numbers=tuple(numbers[frame] for frame in frames),
        has_targets=is_self,
        driver_torso=_torso_since(photo, driver.torso) if is_self else driver.torso,
    )


def _torso_since(photo: Clip, torso: Torso | None) -> Torso | None:
    """The torso of a clip's frames with another frame of it, the photo, as the reference."""
    if torso is None or photo.torso is None:
        return None
    motion = torso.motion @ np.linalg.inv(photo.torso.motion[0])
    return Torso(motion, np.broadcast_to(photo.camera.world_to_camera[0], motion.shape))


def pair_sha256(pair: Pair) -> str:
    """The sha256 of all that a pair holds, its pictures as eight bits."""
    digest = hashlib.sha256(f"{pair.name} {pair.frame_numbers} {pair.has_targets}".encode())
    for pictures in (pair.source_image, pair.source_matte, pair.driver_images, pair.driver_mattes):
        digest.update(np.round(pictures * 255.0).astype(np.uint8))
    parts = (pair.source_params, pair.source_camera, pair.driver_params, pair.driver_camera, pair.driver_torso or ())
    for arrays in parts:
        for array in arrays:
            digest.update(np.ascontiguousarray(array, np.float32))
    return digest.hexdigest()


def on_black(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and mattes of a clip in [0, 1]; JPEG's noise around the person is black again."""
    images = clip.images.astype(np.float32) / 255.0 * (clip.mattes > 0)[..., None]
    return images, clip.mattes.astype(np.float32) / 255.0
