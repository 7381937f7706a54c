"""Resizing feature maps by separable interpolation matrices: exact, and matrix products forward and backward."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@functools.cache
def aligned_corner_matrix(size: int, new_size: int) -> np.ndarray:
    """[new_size, size] bilinear weights that map the first sample to the first and the last to the last."""
    position = np.linspace(0.0, size - 1.0, new_size)
    low = np.clip(np.floor(position).astype(int), 0, max(size - 2, 0))
    weight = position - low
    matrix = np.zeros((new_size, size), np.float32)
    rows = np.arange(new_size)
    matrix[rows, low] += 1.0 - weight
    matrix[rows, np.minimum(low + 1, size - 1)] += weight
    return matrix


def resize_aligned(x: Float[Array, "b h w c"], new_size: tuple[int, int]) -> Float[Array, "b i j c"]:
    """Bilinear resize with aligned corners."""
    rows = jnp.asarray(aligned_corner_matrix(x.shape[1], new_size[0]), x.dtype)
    columns = jnp.asarray(aligned_corner_matrix(x.shape[2], new_size[1]), x.dtype)
    return jnp.einsum("jw,biwc->bijc", columns, jnp.einsum("ih,bhwc->biwc", rows, x))


def resize_image(image: Float[Array, "b h w c"], new_size: tuple[int, int]) -> Float[Array, "b i j c"]:
    """Bilinear resize at pixel centres, antialiased when shrinking."""
    shape = (image.shape[0], *new_size, image.shape[3])
    return jax.image.resize(image, shape, "bilinear", antialias=True)
