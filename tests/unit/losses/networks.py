"""Small networks with VGG16's and AlexNet's layers and made-up weights."""

import jax
import jax.numpy as jnp

from omg_jax.losses.perceptual import Convolution, PerceptualParams

VGG16_STAGES = (2, 2, 3, 3, 3)  # convolutions before each tap
ALEXNET_STAGES = (1, 1, 1, 1, 1)
ALEXNET_KERNELS = (11, 5, 3, 3, 3)
CHANNELS = 6


def small_network(stages: tuple[int, ...], seed: int = 0) -> PerceptualParams:
    """Random kernels and biases with six channels everywhere, and random positive heads."""
    sizes = ALEXNET_KERNELS if stages == ALEXNET_STAGES else (3,) * sum(stages)
    keys = jax.random.split(jax.random.key(seed), len(sizes) + 1)
    inputs = (3, *(CHANNELS,) * (len(sizes) - 1))
    convolutions = tuple(
        Convolution(
            jax.random.normal(key, (size, size, i, CHANNELS)) * (2.0 / (size * size * i)) ** 0.5,
            0.1 * jnp.ones(CHANNELS),
        )
        for key, size, i in zip(keys[:-1], sizes, inputs, strict=True)
    )
    return PerceptualParams(convolutions, tuple(jax.random.uniform(keys[-1], (len(stages), CHANNELS))))
