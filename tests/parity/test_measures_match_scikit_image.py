"""PSNR, SSIM and the alignment of faces against scikit-image."""

import numpy as np
import skimage.metrics
from skimage.transform import SimilarityTransform

from omg_jax.evaluation.identity import ALIGNED_POINTS, FACE_SIZE, align_face
from omg_jax.evaluation.measures import psnr, ssim
from omg_jax.tracking.crops import points_to_picture
from tests.tolerances import ALIGNMENT, FLOAT32_ROUNDING, SSIM_PARITY
from tests.unit.losses.pictures import distorted, photo

PAIRS = [(distorted(photo(95, 129)), photo(95, 129)), (photo()[::-1], photo())]


def test_psnr():
    for picture, target in PAIRS:
        theirs = skimage.metrics.peak_signal_noise_ratio(np.float64(target), np.float64(picture), data_range=1.0)
        np.testing.assert_allclose(psnr(picture, target), theirs, **FLOAT32_ROUNDING)


def test_ssim_with_zeros_beyond_the_border():
    for pair in PAIRS:
        padded = (np.pad(np.float64(picture), ((5, 5), (5, 5), (0, 0))) for picture in pair)
        theirs = skimage.metrics.structural_similarity(
            *padded, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=-1
        )
        np.testing.assert_allclose(ssim(*pair), theirs, **SSIM_PARITY)


def test_the_window_of_a_face_is_the_best_similarity():
    rng = np.random.default_rng(0)
    corners = np.array([[0.0, 0.0], [FACE_SIZE, 0.0], [0.0, FACE_SIZE]])
    for scale, angle in ((2.7, 0.3), (0.4, -2.0), (1.0, 0.0)):
        truth = SimilarityTransform(scale=scale, rotation=angle, translation=(300.0, 150.0))
        points = truth(ALIGNED_POINTS) + rng.normal(0.0, 2.0, (5, 2))
        theirs = SimilarityTransform.from_estimate(points, ALIGNED_POINTS + 0.5)
        ours = points_to_picture(corners, align_face(points), FACE_SIZE)
        np.testing.assert_allclose(ours, theirs.inverse(corners), **ALIGNMENT)
