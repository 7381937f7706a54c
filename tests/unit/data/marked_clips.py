"""Small clips whose frames can be told from each other."""

from pathlib import Path

import jax
import numpy as np

from omg_jax.data.clips import Clip, ClipIndex, save_clip, write_index
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.types import Camera, HeadParams, Torso

SIZE, NUM_FRAMES = 64, (2, 3, 5)


def marked_clip(number: int, num_frames: int) -> Clip:
    """Smooth random pictures; a frame's parameters say which one it is. Of odd numbers the torso was followed."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(40, 220, (num_frames, 4, 4, 3)).repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    names = np.stack([np.full(num_frames, number), np.arange(num_frames)], axis=1).astype(np.float32)
    zeros = np.zeros((num_frames, 3), np.float32)
    world_to_camera = np.tile(np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32), (num_frames, 1, 1))
    world_to_camera[:, :3, 3] = rng.normal([0.0, 0.0, 9.0], [0.1, 0.1, 0.3], (num_frames, 3))
    torso = Torso(world_to_camera + 1.0, world_to_camera) if number % 2 else None
    return Clip(
        images=coarse.astype(np.uint8),
        mattes=np.full((num_frames, SIZE, SIZE), 255, np.uint8),
        head_params=HeadParams(names, zeros, zeros, zeros, zeros, np.zeros((num_frames, 6), np.float32), zeros),
        camera=Camera(world_to_camera, np.tile(portrait_intrinsics((SIZE, SIZE)), (num_frames, 1, 1))),
        torso=torso,
    )


def marked_clips(root: Path) -> ClipIndex:
    """A folder of clips with NUM_FRAMES frames each."""
    for number, num_frames in enumerate(NUM_FRAMES):
        save_clip(root / f"clip_{number}", marked_clip(number, num_frames))
    return write_index(root, "a head", "its hash")


def tokens(clip: int, frame: int, look: int, image: np.ndarray) -> tuple[np.ndarray, ...]:
    """Stands for the backbone: tokens that say of which frame they are."""
    return (np.array([[clip, frame, image.mean(), look]], np.float32),)


def same(a, b) -> bool:
    """Whether two trees of arrays are equal bit for bit."""
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: np.array_equal(x, y), a, b)))
