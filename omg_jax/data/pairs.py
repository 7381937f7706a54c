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

from omg_jax.data.augment import Augmentation, Change, change_at, change_pair
from omg_jax.data.frame_source import FrameSource
from omg_jax.data.view import View, head_centre, window_of
from omg_jax.types import PairBatch

# Keep the draws for the order of frames and for single samples apart.
_ORDER_STREAM, _SAMPLE_STREAM = 1, 2

Tokens = tuple[np.ndarray, ...]
# (clip, frame, look, picture [h, w, 3] in [0, 1]) -> the frozen backbone's taps, each [t, d]. The first three tell one
# picture from all others of a run: look is 0 for the frame as it is, else which of its augmented versions it is.
SourceTokens = Callable[[int, int, int, np.ndarray], Tokens]
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
            f"{image_size} x {image_size}: give --model.image-size {clips.image_size[0]}, or other clips"
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


def load_pair(
    clips: FrameSource, pair: Pair, window: int, source_tokens: SourceTokens, change: Change | None = None
) -> PairBatch:
    """Reads one sample; its arrays (numpy) have no batch axis.

    All in numpy: threads that load must not take turns with the training step on its device. change: how the sample is
    augmented, if it is.
    """
    clip = clips.frames(pair.clip, (pair.source, pair.target))
    views = View(clip.images, clip.mattes, clip.head_params, clip.camera)
    source, target = (jax.tree.map(lambda array, frame=frame: array[frame], views) for frame in (0, 1))
    if change is None:
        top, left = window_corner(head_centre(target), pair.window_shift, clips.image_size[0], window)
        target = window_of(target, top, left, window)
    else:
        source, target = change_pair(source, target, change, window, pair.window_shift)
    source_image, source_matte = _on_black(source.image, source.matte)
    target_image, target_matte = _on_black(target.image, target.matte)
    look = change.look if change else 0
    return PairBatch(
        source_image=source_image,
        source_matte=source_matte,
        source_tokens=source_tokens(pair.clip, pair.source, look, source_image),
        source_params=source.params,
        source_camera=source.camera,
        target_image=target_image,
        target_matte=target_matte,
        target_params=target.params,
        target_camera=target.camera,
    )


def _on_black(
    image: UInt8[np.ndarray, "h w 3"], matte: UInt8[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """Picture and matte in [0, 1]. The picture lies on black already: what JPEG spills over the matte's edge goes."""
    scale = np.float32(255)
    return (image * (matte > 0)[..., None]) / scale, matte / scale


def load_batch(
    clips: FrameSource,
    seed: int,
    step: int,
    batch_size: int,
    window: int,
    source_tokens: SourceTokens,
    part: slice = slice(None),
    augmentation: Augmentation | None = None,
) -> PairBatch:
    """The batch of a step (numpy), or the ``part`` of it that one host takes."""
    pairs = []
    for sample in range(step * batch_size, (step + 1) * batch_size)[part]:
        pair = pair_at(clips, seed, sample)
        change = change_at(augmentation, seed, sample, pair.clip, pair.source) if augmentation else None
        pairs.append(load_pair(clips, pair, window, source_tokens, change))
    return stack_pairs(pairs)


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
