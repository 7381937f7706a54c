"""A pair: the unit of evaluation. One photo, and the frames that drive it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from omg_jax.types import Camera, HeadParams, Torso


class Pair(NamedTuple):
    """A source photo and driver frames, in numpy.

    Pictures are sRGB in [0, 1] on black, already multiplied by their mattes. In self-reenactment the drivers are other
    frames of the source's clip, and the targets too (has_targets); in cross-identity reenactment they show another
    person, and there is no target. driver_params always bear the source's shape, so that a head posed by them is the
    source's. name is safe as a file's name: "clip" or "source--driver".

    frame_numbers are those of the driver frames in their video where it is known, else in their clip. driver_torso is
    None where the torso was not followed; in self-reenactment its reference is the source frame.
    """

    name: str
    source_image: Float[np.ndarray, "h w 3"]
    source_matte: Float[np.ndarray, "h w"]
    source_params: HeadParams
    source_camera: Camera
    driver_images: Float[np.ndarray, "t h w 3"]
    driver_mattes: Float[np.ndarray, "t h w"]
    driver_params: HeadParams
    driver_camera: Camera
    frame_numbers: tuple[int, ...]
    has_targets: bool
    driver_torso: Torso | None = None


# Yields one picture in [0, 1] for each driver frame, in order. Must not look at driver_images or driver_mattes.
RenderPair = Callable[[Pair], Iterator[Float[np.ndarray, "h w 3"]]]
