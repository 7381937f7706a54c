"""The formulas; PSNR and SSIM are held to scikit-image in tests/parity."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cosine

from omg_jax.evaluation.measures import aed, akd, apd, csim, flicker, mae, psnr, squared_errors, ssim
from omg_jax.losses.photometric import ssim as ssim_loss
from tests.tolerances import FLOAT32_ROUNDING, SSIM_PARITY, STILL_ERROR
from tests.unit.evaluation.distortions import GROWING
from tests.unit.losses.pictures import distorted, photo

PHOTO, WORSE = photo(), distorted(photo())
RNG = np.random.default_rng(0)


def test_identical_pictures_have_the_best_score():
    assert psnr(PHOTO, PHOTO) == 100.0 and ssim(PHOTO, PHOTO) == 1.0 and mae(PHOTO, PHOTO) == 0.0
    assert flicker(PHOTO, PHOTO, WORSE, WORSE) == 0.0
    black = np.zeros_like(PHOTO)
    assert ssim(black, black) == 1.0


@pytest.mark.parametrize("kind", GROWING)
def test_more_distortion_scores_worse(kind):
    distort, amounts = GROWING[kind]
    pictures = [PHOTO, *(distort(PHOTO, amount) for amount in amounts)]
    for better, worse in itertools.pairwise(pictures):
        assert psnr(better, PHOTO) > psnr(worse, PHOTO)
        assert ssim(better, PHOTO) > ssim(worse, PHOTO)
        assert mae(better, PHOTO) < mae(worse, PHOTO)


def test_psnr_of_a_mask_is_that_of_its_pixels():
    mask = RNG.random(PHOTO.shape[:2]) < 0.3
    squared = (np.float64(PHOTO) - WORSE)[mask] ** 2
    np.testing.assert_allclose(psnr(WORSE, PHOTO, mask), -10 * np.log10(squared.mean()), **FLOAT32_ROUNDING)
    inside, outside = (10 ** (-psnr(WORSE, PHOTO, part) / 10) for part in (mask, ~mask))
    whole = mask.mean() * inside + (1 - mask.mean()) * outside
    np.testing.assert_allclose(squared_errors(WORSE, PHOTO).mean(), whole, **FLOAT32_ROUNDING)
    assert psnr(WORSE, PHOTO, np.zeros_like(mask)) is None


def test_ssim_is_the_loss_of_pictures_that_end_in_black():
    padded = [jnp.pad(picture, ((5, 5), (5, 5), (0, 0))) for picture in (WORSE, PHOTO)]
    np.testing.assert_allclose(ssim(WORSE, PHOTO), ssim_loss(*padded), **SSIM_PARITY)


def test_an_error_flickers_only_when_it_changes():
    before = np.roll(PHOTO, 1, axis=1)
    darker, offset = np.full_like(PHOTO, 0.1), np.float32(10 / 255)
    assert flicker(PHOTO - darker, PHOTO, before - darker, before) < STILL_ERROR
    np.testing.assert_allclose(flicker(PHOTO + offset, PHOTO, before, before), 10.0, **FLOAT32_ROUNDING)
    # A picture that stands still while the target moves flickers as much as the target moves.
    expected = 255 * np.abs(np.float64(PHOTO) - before).mean()
    np.testing.assert_allclose(flicker(before, PHOTO, before, before), expected, **FLOAT32_ROUNDING)


def test_csim_is_the_cosine_whatever_the_lengths():
    a, b = RNG.normal(size=(2, 128)).astype(np.float32)
    np.testing.assert_allclose(csim(a, b), 1.0 - cosine(np.float64(a), b), **FLOAT32_ROUNDING)
    np.testing.assert_allclose([csim(a, 3 * a), csim(a, -a)], [1.0, -1.0], **FLOAT32_ROUNDING)


def test_akd_is_the_mean_over_both_coordinates_in_pixels_of_512():
    points = RNG.uniform(0, 256, (478, 2)).astype(np.float32)
    np.testing.assert_allclose(akd(points + np.float32([3, 0]), points, 512), 1.5, **FLOAT32_ROUNDING)
    np.testing.assert_allclose(akd(points + np.float32([3, -1]), points, 256), 4.0, **FLOAT32_ROUNDING)
    noise = RNG.normal(size=points.shape).astype(np.float32)
    expected = sum(abs(float(n)) for n in noise.ravel()) / noise.size
    np.testing.assert_allclose(akd(points + noise, points, 512), expected, **FLOAT32_ROUNDING)


def test_aed_and_apd_are_mean_absolute_differences():
    a, b = RNG.normal(size=(2, 52)).astype(np.float32)
    expected = sum(abs(float(x) - float(y)) for x, y in zip(a, b, strict=True)) / 52
    np.testing.assert_allclose(aed(a, b), expected, **FLOAT32_ROUNDING)
    yaw_pitch_roll = np.float32([0.5, -0.2, 3.1])
    turned = yaw_pitch_roll + np.float32([0.3, 0.0, 0.3])
    turned[2] -= np.float32(2 * np.pi)
    np.testing.assert_allclose(apd(turned, yaw_pitch_roll), 0.2, **FLOAT32_ROUNDING)
