"""Plays an avatar with a motion, frame by frame, and measures how fast."""

import time
from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from omg_jax.avatar import Frame
from omg_jax.geometry.camera import scale_camera
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.tracking.motion import Motion
from omg_jax.types import Camera, HeadParams

Player = Callable[[HeadParams, Camera], Frame]


def num_frames(motion: Motion) -> int:
    """Frames of a motion."""
    return motion.camera.world_to_camera.shape[0]


def motion_frame(motion: Motion, index: int) -> tuple[HeadParams, Camera]:
    """Head parameters and camera of one frame."""
    return jax.tree.map(lambda x: jnp.asarray(x[index]), (motion.head_params, motion.camera))


def first_frames(motion: Motion, count: int | None) -> Motion:
    """The motion's first frames; None takes all."""
    head_params, camera = jax.tree.map(lambda x: x[:count], (motion.head_params, motion.camera))
    return motion._replace(head_params=head_params, camera=camera)


def fit_motion(motion: Motion, size: int) -> Motion:
    """The motion seen by cameras of size x size pixels; ValueError where its own pictures are not square."""
    height, width = motion.image_size
    if height != width:
        raise ValueError(f"a motion's pictures must be square, got {height}x{width}: track the driver with omg track")
    return motion._replace(camera=scale_camera(motion.camera, size / height), image_size=(size, size))


def orbit_motion(motion: Motion, degrees: float) -> Motion:
    """The motion with a camera that swings once to either side around the head's vertical axis, by at most degrees."""
    angles = np.radians(degrees) * np.sin(np.linspace(0.0, 2.0 * np.pi, num_frames(motion), endpoint=False))
    turns = np.tile(np.eye(4, dtype=np.float32), (len(angles), 1, 1))
    turns[:, :3, :3] = axis_angle_to_matrix(jnp.asarray(angles[:, None] * np.array([0.0, 1.0, 0.0]), jnp.float32))
    return motion._replace(
        camera=motion.camera._replace(world_to_camera=motion.camera.world_to_camera @ jnp.asarray(turns))
    )


def play(player: Player, motion: Motion, indices: Iterable[int]) -> Iterator[tuple[Frame, float]]:
    """Frames and the seconds each took. The first is rendered twice: its first rendering compiles."""
    for count, index in enumerate(indices):
        params, camera = motion_frame(motion, index)
        if count == 0:
            jax.block_until_ready(player(params, camera))
        start = time.perf_counter()
        frame = jax.block_until_ready(player(params, camera))
        yield frame, time.perf_counter() - start


def choose_level(make: Callable[[int], Player], num_levels: int, motion: Motion) -> tuple[int, Player]:
    """The finest level of detail that this machine plays at the motion's frame rate, and its player, compiled.

    Level 0 where none is fast enough. make gives the player of a level.
    """
    probe = range(min(3, num_frames(motion)))
    for lod in reversed(range(1, num_levels)):
        player = make(lod)
        seconds = [spent for _, spent in play(player, motion, probe)]
        if np.median(seconds) * motion.fps <= 1.0:
            return lod, player
    return 0, make(0)
