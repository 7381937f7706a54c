"""Plays an avatar with a motion, and measures how fast."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from omg_jax.avatar import Frame
from omg_jax.geometry.camera import circle_camera, scale_camera, zoom_camera
from omg_jax.tracking.motion import Motion
from omg_jax.types import Camera, HeadParams

# Of head parameters, the driver's camera, the camera that looks if it is another, and the driver's torso if it is
# known; to a frame, or its picture.
Player = Callable[..., Frame | Array]

FRAMES_AHEAD = 2  # that the device computes while the host looks at one
PROBE_FRAMES = 6  # played to measure a level's frame rate


class Choice(NamedTuple):
    """A level of detail, its player, and the frames per second measured of every level that was tried."""

    lod: int
    player: Player
    rates: dict[int, float]


def num_frames(motion: Motion) -> int:
    """Frames of a motion."""
    return motion.camera.world_to_camera.shape[0]


def motion_frame(motion: Motion, index: int) -> tuple[HeadParams, Camera]:
    """Head parameters and camera of one frame."""
    return jax.tree.map(lambda x: jnp.asarray(x[index]), (motion.head_params, motion.camera))


def first_frames(motion: Motion, count: int | None) -> Motion:
    """The motion's first frames; None takes all."""
    parts = (motion.head_params, motion.camera, motion.torso)
    head_params, camera, torso = jax.tree.map(lambda x: x[:count], parts)
    return motion._replace(head_params=head_params, camera=camera, torso=torso)


def fit_motion(motion: Motion, size: int) -> Motion:
    """The motion seen by cameras of size x size pixels; ValueError where its own pictures are not square."""
    height, width = motion.image_size
    if height != width:
        raise ValueError(f"a motion's pictures must be square, got {height}x{width}: track the driver with omg track")
    return motion._replace(camera=scale_camera(motion.camera, size / height), image_size=(size, size))


def views(motion: Motion, *, orbit: float = 0.0, yaw: float = 0.0, pitch: float = 0.0, zoom: float = 1.0) -> Camera:
    """A camera for every frame: the driver's, moved around the head about the picture's upright axes.

    orbit: degrees by which it swings once to either side; yaw, pitch: degrees by which it stands to the picture's right
    (the left of a subject who faces it) and higher throughout; zoom: enlarges.
    """
    swing = orbit * np.sin(np.linspace(0.0, 2.0 * np.pi, num_frames(motion), endpoint=False))
    camera = circle_camera(motion.camera, np.radians(yaw + swing), np.full(len(swing), np.radians(pitch)))
    return zoom_camera(camera, zoom)


def play(player: Player, motion: Motion, indices: Iterable[int], views: Camera | None = None) -> Iterator[Frame]:
    """The frames in order. None is waited for: while one is looked at, the next FRAMES_AHEAD are being computed.

    views: the cameras that look, one for every frame of the motion; by default the driver's.
    """
    given = [motion.head_params, motion.camera, views, motion.torso]
    while given[-1] is None:
        given.pop()
    given = jax.tree.map(np.asarray, given)
    queue = deque()
    for index in indices:
        queue.append(player(*jax.tree.map(lambda x, i=index: x[i], given)))
        if len(queue) > FRAMES_AHEAD:
            yield queue.popleft()
    yield from queue


def frame_rate(player: Player, motion: Motion, indices: Iterable[int], views: Camera | None = None) -> float:
    """Frames per second of queued frames, once the program is compiled."""
    indices = list(indices)
    jax.block_until_ready(list(play(player, motion, indices[:1], views)))
    start = time.perf_counter()
    for frame in play(player, motion, indices, views):
        jax.block_until_ready(frame)
    return len(indices) / (time.perf_counter() - start)


def choose_level(
    make: Callable[[int], Player],
    num_levels: int,
    motion: Motion,
    fps: float | None = None,
    views: Camera | None = None,
) -> Choice:
    """The finest level of detail that this machine plays at a frame rate, by default the motion's, else level 0.

    make gives the player of a level; views: see ``play``. What is measured should be what will be played: a camera that
    comes closer, or a picture that is fetched, takes longer.
    """
    probe, rates = range(min(PROBE_FRAMES, num_frames(motion))), {}
    for lod in reversed(range(num_levels)):
        player = make(lod)
        rates[lod] = frame_rate(player, motion, probe, views)
        if lod == 0 or rates[lod] >= (fps or motion.fps):
            return Choice(lod, player, rates)
    raise ValueError(f"an avatar has at least one level of detail, got {num_levels}")
