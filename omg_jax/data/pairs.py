"""Training batches: pairs of frames of one clip, and the window of the target that is rendered.

A batch is a pure function of (dataset, seed, step). Samples are numbered through the whole run, and hosts and threads
only divide the work of loading them: training is the same for any number of either, and a checkpoint needs to remember
no more than the step.
"""

import collections
import concurrent.futures
import functools
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float, UInt8

from omg_jax.data.frame_source import FrameSource
from omg_jax.types import Camera, HeadParams, PairBatch

# Keep the draws for the order of frames and for single samples apart.
_ORDER_STREAM, _SAMPLE_STREAM = 1, 2

Tokens = tuple[np.ndarray, ...]
# (clip, frame, picture [h, w, 3] in [0, 1]) -> the frozen backbone's taps, each [t, d]
SourceTokens = Callable[[int, int, np.ndarray], Tokens]
T = TypeVar("T")


class Pair(NamedTuple):
    """Which frames a sample pairs, and where its target window lies.

    window_shift is the distance (rows, columns) of the window's centre from the head's, in units of the room that the
    window has; see window_corner.
    """

    clip: int
    source: int
    target: int
    window_shift: tuple[float, float]


def check_pairs(clips: FrameSource, image_size: int, window: int) -> None:
    """Raises ValueError where a dataset cannot be trained on."""
    if clips.image_size != (image_size, image_size):
        raise ValueError(
            f"the clips of {clips.root} are {clips.image_size[0]} x {clips.image_size[1]} pixels, expected "
            f"{image_size} x {image_size}: render them at the model's size, or train another preset"
        )
    if not 0 < window <= image_size:
        raise ValueError(f"the target window must have 1 to {image_size} pixels, got {window}; set --train.window")
    short = [name for name, count in zip(clips.names, clips.num_frames, strict=True) if count < 2]
    if short:
        raise ValueError(f"a clip needs two frames to make a pair, but {short[0]} has fewer; remove it from the index")


def pair_at(clips: FrameSource, seed: int, sample: int) -> Pair:
    """Sample number ``sample`` of a run.

    Every frame of the dataset is the target once per epoch, in an order that each epoch draws anew; the source is
    another frame of its clip.
    """
    starts = np.concatenate([[0], np.cumsum(clips.num_frames)])
    epoch, position = divmod(sample, int(starts[-1]))
    frame = _order(seed, epoch, int(starts[-1]))[position]
    clip = int(np.searchsorted(starts, frame, side="right")) - 1
    target = int(frame - starts[clip])
    rng = np.random.default_rng([seed, _SAMPLE_STREAM, sample])
    source = (target + int(rng.integers(1, clips.num_frames[clip]))) % clips.num_frames[clip]
    shift = rng.standard_normal(2)
    return Pair(clip, source, target, (float(shift[0]), float(shift[1])))


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, num_frames: int) -> np.ndarray:
    """The order of an epoch's target frames. Cached: drawing it for 766,263 frames takes 10 ms."""
    return np.random.default_rng([seed, _ORDER_STREAM, epoch]).permutation(num_frames)


def window_corner(
    head_centre: Float[np.ndarray, "2"], window_shift: tuple[float, float], image_size: int, window: int
) -> tuple[int, int]:
    """Top row and left column of a target window inside the picture, most often around the head.

    The window's centre is the head's centre (x, y in pixels), moved by window_shift times half of the room
    ``image_size - window``; the window is then pushed back into the picture.
    """
    room = image_size - window
    corner = head_centre[::-1] - window / 2.0 + np.asarray(window_shift) * room / 2.0
    top, left = np.clip(np.round(corner), 0, room).astype(int)
    return int(top), int(left)


def load_pair(clips: FrameSource, pair: Pair, window: int, source_tokens: SourceTokens) -> PairBatch:
    """Reads one sample; its arrays (numpy) have no batch axis.

    All in numpy: threads that load must not take turns with the training step on its device.
    """
    clip = clips.frames(pair.clip, (pair.source, pair.target))
    params = [HeadParams(*(field[frame] for field in clip.head_params)) for frame in (0, 1)]
    cameras = [Camera(*(field[frame] for field in clip.camera)) for frame in (0, 1)]
    # The head's frame has its origin near the head's centre; rigid motion is in the camera.
    centre = _pixel(cameras[1], params[1].translation)
    top, left = window_corner(centre, pair.window_shift, clips.image_size[0], window)
    rows, columns = slice(top, top + window), slice(left, left + window)
    source_image, source_matte = _on_black(clip.images[0], clip.mattes[0])
    target_image, target_matte = _on_black(clip.images[1, rows, columns], clip.mattes[1, rows, columns])
    return PairBatch(
        source_image=source_image,
        source_matte=source_matte,
        source_tokens=source_tokens(pair.clip, pair.source, source_image),
        source_params=params[0],
        source_camera=cameras[0],
        target_image=target_image,
        target_matte=target_matte,
        target_params=params[1],
        target_camera=_cropped(cameras[1], top, left),
    )


def _on_black(
    image: UInt8[np.ndarray, "h w 3"], matte: UInt8[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """Picture and matte in [0, 1]. The picture lies on black already: what JPEG spills over the matte's edge goes."""
    scale = np.float32(255)
    return (image * (matte > 0)[..., None]) / scale, matte / scale


def _pixel(camera: Camera, point: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2"]:
    """Where a point lies in the picture."""
    in_picture = camera.intrinsics @ (camera.world_to_camera[:3, :3] @ point + camera.world_to_camera[:3, 3])
    return in_picture[:2] / in_picture[2]


def _cropped(camera: Camera, top: int, left: int) -> Camera:
    """The camera of a window, as geometry.camera.crop_camera."""
    shift = np.array([[0, 0, left], [0, 0, top], [0, 0, 0]], np.float32)
    return camera._replace(intrinsics=camera.intrinsics - shift)


def load_batch(
    clips: FrameSource,
    seed: int,
    step: int,
    batch_size: int,
    window: int,
    source_tokens: SourceTokens,
    part: slice = slice(None),
) -> PairBatch:
    """The batch of a step (numpy), or the ``part`` of it that one host takes."""
    samples = range(step * batch_size, (step + 1) * batch_size)[part]
    return stack_pairs([load_pair(clips, pair_at(clips, seed, s), window, source_tokens) for s in samples])


def stack_pairs(pairs: list[PairBatch]) -> PairBatch:
    """Samples without a batch axis as one batch."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *pairs)


def prefetched(load: Callable[[int], T], start: int, stop: int, threads: int, ahead: int = 4) -> Generator[T]:
    """``load(start) ... load(stop - 1)`` in order, computed up to ``ahead`` items early by some threads.

    threads: 0 loads each item when it is asked for.
    """
    if threads == 0:
        yield from map(load, range(start, stop))
        return
    waiting: collections.deque[concurrent.futures.Future[T]] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="omg-loader") as pool:
        try:
            for step in range(start, stop):
                waiting.append(pool.submit(load, step))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
