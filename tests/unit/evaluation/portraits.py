"""A pair made of one photo: its portrait is the source, and drives itself, moved by some pixels."""

import functools

import jax
import numpy as np
import skimage.data

from omg_jax.evaluation.pair import Pair
from omg_jax.geometry.camera import crop_camera
from omg_jax.head.load import Head, load_head
from omg_jax.tracking.track import track_photo

SHIFTS = (0, 6, 12)  # pixels to the right, of the driver frames


@functools.cache
def arkit() -> Head:
    """The built-in head."""
    return load_head("arkit")


@functools.cache
def astronaut_pair(has_targets: bool = True) -> Pair:
    """The photo drives itself; frame number 10 + k is moved by SHIFTS[k]."""
    tracked = track_photo(skimage.data.astronaut().astype(np.float32) / 255.0, arkit())
    image = eight_bits(tracked.image * tracked.matte[..., None])
    params, camera = jax.tree.map(np.asarray, (tracked.params, tracked.camera))
    cameras = [crop_camera(camera, 0, -shift) for shift in SHIFTS]
    return Pair(
        name="astronaut" if has_targets else "astronaut--astronaut",
        source_image=image,
        source_matte=tracked.matte,
        source_params=params,
        source_camera=camera,
        driver_images=np.stack([moved(image, shift) for shift in SHIFTS]),
        driver_mattes=np.stack([moved(tracked.matte, shift) for shift in SHIFTS]),
        driver_params=jax.tree.map(lambda x: np.stack([x] * len(SHIFTS)), params),
        driver_camera=jax.tree.map(lambda *x: np.stack(x), *cameras),
        frame_numbers=tuple(10 + k for k in range(len(SHIFTS))),
        has_targets=has_targets,
    )


def moved(picture: np.ndarray, shift: int) -> np.ndarray:
    """A picture moved to the right, black where nothing comes from."""
    result = np.zeros_like(picture)
    result[:, shift:] = picture[:, : picture.shape[1] - shift]
    return result


def eight_bits(picture: np.ndarray) -> np.ndarray:
    """A picture in [0, 1] as a file holds it."""
    return (np.round(np.clip(picture, 0.0, 1.0) * 255.0) / 255.0).astype(np.float32)
