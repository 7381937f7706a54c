"""Portrait matte: how much of each pixel is the person, by MediaPipe's selfie segmentation net."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from omg_jax.assets.registry import asset_path
from omg_jax.tracking.tflite import TfliteModel

INPUT_SIZE = 256
# The net leaves a haze of low values on the background and dents of high ones inside, and is generous at the edge: what
# it calls a third of a person is mostly background, which would shine as a halo on black.
EMPTY_BELOW, FULL_ABOVE = 0.4, 0.95
# Guided filter (He et al. 2010): the matte's edge, known at 256 pixels, moves onto the picture's own edge.
GUIDE_RADIUS_SHARE = 1 / 96  # of the picture's side
GUIDE_SMOOTHNESS = 1e-3  # variance of grey values, in [0, 1], below which a window counts as flat


class PortraitMatte:
    """Makes mattes; holds the net. model_file: the user's own selfie_segmentation.tflite, else the registry gets it."""

    def __init__(self, model_file: Path | str | None = None):
        self._net = TfliteModel(asset_path("selfie-segmentation", path=model_file).read_bytes())

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
        """Share of the person in each pixel of an RGB picture, in [0, 1]."""
        height, width = image.shape[:2]
        small = cv2.resize(image, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA)
        (raw,) = self._net(small[None].astype(np.float32) / 255.0).values()
        matte = cv2.resize(raw.reshape(INPUT_SIZE, INPUT_SIZE), (width, height), interpolation=cv2.INTER_LINEAR)
        refined = guided_filter(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255.0, matte)
        return keep_largest_island(smooth_step(refined, EMPTY_BELOW, FULL_ABOVE))


def guided_filter(guide: Float[np.ndarray, "h w"], matte: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """The matte as a function that is linear in the guide within each window (He et al. 2010, Eqs. 5-8)."""
    side = 2 * max(1, round(max(guide.shape) * GUIDE_RADIUS_SHARE)) + 1

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)

    guide_mean, matte_mean = mean(guide), mean(matte)
    covariance = mean(guide * matte) - guide_mean * matte_mean
    variance = mean(guide * guide) - guide_mean * guide_mean
    slope = covariance / (variance + GUIDE_SMOOTHNESS)
    return mean(slope) * guide + mean(matte_mean - slope * guide_mean)


def smooth_step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high, a smooth cubic between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def keep_largest_island(matte: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """The matte without the pieces that are not joined to its heaviest one."""
    count, labels = cv2.connectedComponents((matte > 0).astype(np.uint8))
    weights = np.bincount(labels.ravel(), weights=matte.ravel(), minlength=count)
    return np.where(labels == int(weights.argmax()), matte, 0.0).astype(np.float32)
