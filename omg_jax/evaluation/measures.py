"""The measures as formulas: what two pictures, two embeddings or two heads have to do with each other.

Pictures are RGB in [0, 1], channels last. Everything is numpy in double precision where sums are long, so that a number
does not depend on who adds it up. Where embeddings, landmarks and head parameters come from is told in identity.py
and faces.py; LPIPS is in perceptual.py.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float

from omg_jax.losses.photometric import MAX_PSNR, SSIM_SIGMA, SSIM_TAPS

_C1, _C2 = 0.01**2, 0.03**2  # Wang et al. 2004, for pictures in [0, 1]
GREY_LEVELS = 255.0
AKD_SIZE = 512  # pixels of the picture in which AKD counts


def squared_errors(picture: Float[np.ndarray, "h w 3"], target: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Squared difference of each pixel, averaged over its channels."""
    return np.mean(np.square(picture - target), axis=-1)


def decibels(squared: Float[np.ndarray, "..."]) -> float | None:
    """PSNR of pixels with these squared errors: -10 log10(mean), in decibels, at most 100; None of no pixel."""
    if squared.size == 0:
        return None
    return float(-10.0 * np.log10(max(float(np.mean(squared, dtype=np.float64)), 10.0 ** (-MAX_PSNR / 10.0))))


def psnr(
    picture: Float[np.ndarray, "h w 3"], target: Float[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"] | None = None
) -> float | None:
    """Peak signal-to-noise ratio, -10 log10 of the mean squared error of all channels; decibels, more is better.

    At most 100, which identical pictures have, as in the paper's evaluation. With a mask it is that of the mask's
    pixels alone; None where there are none. Equals scikit-image's peak_signal_noise_ratio with data_range=1.
    """
    squared = squared_errors(picture, target)
    return decibels(squared if mask is None else squared[mask])


def mae(picture: Float[np.ndarray, "h w 3"], target: Float[np.ndarray, "h w 3"]) -> float:
    """Mean absolute difference over pixels and channels, in the pictures' unit; 0 of identical pictures."""
    return float(np.mean(np.abs(picture - target), dtype=np.float64))


def flicker(
    picture: Float[np.ndarray, "h w 3"],
    target: Float[np.ndarray, "h w 3"],
    picture_before: Float[np.ndarray, "h w 3"],
    target_before: Float[np.ndarray, "h w 3"],
) -> float:
    """How much the error of a frame differs from that of the frame before; grey levels of 255, less is better.

    255 mean |(picture - target) - (picture_before - target_before)|: what moves in the pictures and not in the
    targets, or the other way round. An error that stays as it is does not flicker. Ours; no paper has it.
    """
    return GREY_LEVELS * mae(picture - target, picture_before - target_before)


def ssim(picture: Float[np.ndarray, "h w 3"], target: Float[np.ndarray, "h w 3"]) -> float:
    """Structural similarity (Wang et al. 2004) in [-1, 1]; 1 for identical pictures.

    Per channel, with an 11 x 11 Gaussian window of standard deviation 1.5, population covariance and C1 = 1e-4,
    C2 = 9e-4, averaged over all pixels and channels. Pictures go on as zeros beyond their border, as in the paper's
    evaluation (they are on black). Equals scikit-image's structural_similarity of pictures padded with 5 zeros and
    ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1``. The loss of this name
    (losses.photometric) leaves border pixels out instead.
    """
    x, y = picture.astype(np.float64), target.astype(np.float64)
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variances = _window_mean(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _window_mean(x * y) - mean_x * mean_y
    luminance = (2.0 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return float(np.mean(luminance * (2.0 * covariance + _C2) / (variances + _C2)))


def csim(a: Float[np.ndarray, " d"], b: Float[np.ndarray, " d"]) -> float:
    """Cosine of two faces' identity embeddings, a.b / (|a| |b|), in [-1, 1]; 1 for the same face.

    The paper's identity metric (CSIM, by ArcFace, Deng et al. 2019). The embeddings are SFace's (Zhong et al. 2021), or
    the user's ArcFace's: identity.py.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def akd(points: Float[np.ndarray, "l 2"], target_points: Float[np.ndarray, "l 2"], size: int) -> float:
    """Average keypoint distance: mean |difference| over landmarks and over x and y, in pixels of a picture of 512.

    The points are in pixels of a picture of `size`: here the 478 of MediaPipe's face landmarker (faces.py), in the
    paper 68 of another network. The mean of both coordinates, not the distance: that is about
    1.6 times as large.
    """
    return float(np.mean(np.abs(points - target_points), dtype=np.float64) * AKD_SIZE / size)


def aed(expression: Float[np.ndarray, " e"], target_expression: Float[np.ndarray, " e"]) -> float:
    """Average expression distance: mean |difference| over the head's expression parameters, in their unit.

    Here those of our tracker's fit to the landmarks (faces.py), in the paper Deep3DFaceRecon's (Deng et al. 2019).
    """
    return float(np.mean(np.abs(expression - target_expression), dtype=np.float64))


def apd(angles: Float[np.ndarray, "3"], target_angles: Float[np.ndarray, "3"]) -> float:
    """Average pose distance: mean |difference| of yaw, pitch and roll, in radians, the short way round.

    Here those of our tracker's fit to the landmarks (faces.py), in the paper Deep3DFaceRecon's (Deng et al. 2019).
    """
    turns = np.remainder(angles.astype(np.float64) - target_angles + np.pi, 2.0 * np.pi) - np.pi
    return float(np.mean(np.abs(turns)))


def _window_mean(values: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Mean under SSIM's window around every pixel, with zeros beyond the border."""
    window = cv2.getGaussianKernel(SSIM_TAPS, SSIM_SIGMA)
    return cv2.sepFilter2D(values, -1, window, window, borderType=cv2.BORDER_CONSTANT)
