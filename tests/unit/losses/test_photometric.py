"""L2, PSNR and SSIM."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

from omg_jax.losses.photometric import MAX_PSNR, psnr, ssim
from tests.tolerances import FLOAT32_ROUNDING, SSIM_PARITY
from tests.unit.losses.pictures import distorted, photo

PICTURES = jnp.stack([photo(), photo()[::-1]])
DISTORTED = jnp.stack([distorted(photo()), photo()])


def test_ssim_equals_scikit_image():
    theirs = [
        skimage.metrics.structural_similarity(
            np.asarray(a, np.float64),
            np.asarray(b, np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
        )
        for a, b in zip(PICTURES, DISTORTED, strict=True)
    ]
    np.testing.assert_allclose(ssim(PICTURES, DISTORTED), theirs, **SSIM_PARITY)


def test_ssim_of_identical_pictures_is_one_and_flat():
    black = jnp.zeros_like(PICTURES)
    for pictures in (PICTURES, black):
        value, gradient = jax.jit(jax.value_and_grad(lambda x, y: jnp.sum(ssim(x, y))))(pictures, pictures)
        np.testing.assert_allclose(value, len(pictures), **FLOAT32_ROUNDING)
        np.testing.assert_allclose(gradient, 0.0, **FLOAT32_ROUNDING)


def test_ssim_refuses_pictures_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(PICTURES[:, :10], DISTORTED[:, :10])


def test_psnr_equals_scikit_image_and_stops_at_its_maximum():
    theirs = [
        skimage.metrics.peak_signal_noise_ratio(np.asarray(a), np.asarray(b), data_range=1.0)
        for a, b in zip(PICTURES, DISTORTED, strict=True)
    ]
    np.testing.assert_allclose(psnr(PICTURES, DISTORTED), theirs, **FLOAT32_ROUNDING)
    np.testing.assert_allclose(psnr(PICTURES, PICTURES), MAX_PSNR, **FLOAT32_ROUNDING)
