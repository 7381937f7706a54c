"""Clips that cost little: 64 x 64 pictures of smooth colours in an ellipse, over a head that turns."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from omg_jax.data.clips import Clip, Origin, save_clip, write_index
from omg_jax.evaluation.pair_sets import PairSet, open_pairs
from omg_jax.evaluation.protocol import PROTOCOLS
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import Head
from omg_jax.head.model import zero_params
from omg_jax.types import Camera, HeadParams

SIZE = 64
FRAMES = {"anna": (0, 4, 8, 12), "bert": (0, 3, 6)}  # numbers of their frames in their videos


def small_clip(head: Head, seed: int, num_frames: int, size: int = SIZE) -> Clip:
    """A person of a shape and colours of their own; in every frame the head is turned a little further."""
    rng = np.random.default_rng(seed)
    params = HeadParams(*(np.array(x) for x in zero_params(head.model, (num_frames,))))
    params.shape_params[:] = rng.normal(0.0, 0.2, params.shape_params.shape[1])
    params.expression_params[:, head.expression_names.index("jawOpen")] = np.linspace(0.0, 0.8, num_frames)
    turns = np.outer(np.linspace(0.0, 0.4, num_frames), [0.0, 1.0, 0.0]).astype(np.float32)
    poses = np.tile(np.eye(4, dtype=np.float32), (num_frames, 1, 1))
    poses[:, :3, :3] = np.diag([1.0, -1.0, -1.0]) @ np.asarray(axis_angle_to_matrix(jnp.asarray(turns)))
    poses[:, 2, 3] = 9.5
    camera = Camera(poses, np.tile(portrait_intrinsics((size, size)), (num_frames, 1, 1)))
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    matte = (np.hypot(rows, 1.3 * columns) < 0.45) * np.uint8(255)
    noise = ndimage.gaussian_filter(rng.uniform(0.0, 1.0, (num_frames, size, size, 3)), (1, size / 8, size / 8, 0))
    images = 255.0 * (noise - noise.min()) / (noise.max() - noise.min()) * (matte[..., None] > 0)
    return Clip(np.round(images).astype(np.uint8), np.tile(matte, (num_frames, 1, 1)), params, camera)


def write_small_clips(root: Path, head: Head, size: int = SIZE) -> Path:
    """A folder of clips, one for each of FRAMES."""
    for seed, (name, numbers) in enumerate(FRAMES.items()):
        save_clip(root / name, small_clip(head, seed, len(numbers), size), Origin(f"{name}.mp4", 25.0, numbers))
    write_index(root, head.name, head.sha256)
    return root


def small_pairs(root: Path, head: Head, name: str, **changes) -> PairSet:
    """Their pairs by the protocol of a name, which differs in the size of the pictures, and in what is given."""
    changes = {"image_size": (SIZE, SIZE), **changes}
    return open_pairs(str(root), dataclasses.replace(PROTOCOLS[name], **changes), head)
