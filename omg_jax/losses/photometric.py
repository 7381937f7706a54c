"""Distances between pictures by their pixels: squared error, PSNR, SSIM. Pictures are RGB in [0, 1], channels last."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SSIM_SIGMA = 1.5  # pixels
SSIM_TAPS = 11
MAX_PSNR = 100.0  # decibels, of identical pictures, as the paper's evaluation has it

_C1 = 0.01**2  # Wang et al. 2004, for pictures in [0, 1]
_C2 = 0.03**2


def l2(a: Float[Array, "*b h w c"], b: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """Mean squared error of each picture."""
    return jnp.mean(jnp.square(a - b), axis=(-3, -2, -1))


def psnr(a: Float[Array, "*b h w c"], b: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """Peak signal-to-noise ratio of each picture in decibels, at most MAX_PSNR."""
    return -10.0 * jnp.log10(jnp.maximum(l2(a, b), 10.0 ** (-MAX_PSNR / 10.0)))


def ssim(a: Float[Array, "*b h w c"], b: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """Structural similarity of each picture (Wang et al. 2004), in [-1, 1]; 1 for identical pictures.

    Per channel, with an 11-tap Gaussian window of standard deviation 1.5 and population covariance, averaged over all
    channels and all pixels whose window lies inside the picture. Equals scikit-image's structural_similarity with
    ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1``.

    Raises:
        ValueError: a picture is smaller than the window.
    """
    channels = a.shape[-1]
    # Half is subtracted before squaring: variances do not change, and lose fewer digits to cancellation.
    x, y = a - 0.5, b - 0.5
    blurred = _blur(jnp.concatenate([x, y, x * x, y * y, x * y], axis=-1))
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = jnp.split(blurred, [channels * k for k in range(1, 5)], axis=-1)
    variances = mean_xx - mean_x**2 + mean_yy - mean_y**2
    covariance = mean_xy - mean_x * mean_y
    mean_a, mean_b = mean_x + 0.5, mean_y + 0.5
    luminance = (2.0 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2.0 * covariance + _C2) / (variances + _C2)
    return jnp.mean(luminance * structure, axis=(-3, -2, -1))


def _blur(x: Float[Array, "*b h w c"]) -> Float[Array, "*b i j c"]:
    """Gaussian blur where the window fits, by two banded matrices: on a CPU far cheaper than convolving."""
    rows, columns = jnp.asarray(_window_matrix(x.shape[-3])), jnp.asarray(_window_matrix(x.shape[-2]))
    highest = jax.lax.Precision.HIGHEST  # TF32 would swamp the variances
    return jnp.einsum(
        "jw,...iwc->...ijc", columns, jnp.einsum("ih,...hwc->...iwc", rows, x, precision=highest), precision=highest
    )


@functools.cache
def _window_matrix(size: int) -> Float[np.ndarray, "i size"]:
    """One row per position where the whole window fits; a row holds the window's weights."""
    if size < SSIM_TAPS:
        raise ValueError(f"ssim: expected pictures of at least {SSIM_TAPS} pixels a side, got {size}; enlarge them")
    offsets = np.arange(SSIM_TAPS) - SSIM_TAPS // 2
    window = np.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    matrix = np.zeros((size - SSIM_TAPS + 1, size))
    for row in range(len(matrix)):
        matrix[row, row : row + SSIM_TAPS] = window / window.sum()
    return matrix.astype(np.float32)
