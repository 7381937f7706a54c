"""The rasterizer's specification evaluated in float64: the oracle of every kernel's tests."""

import jax
import jax.numpy as jnp
import numpy as np

from omg_jax.splat import rasterize_reference
from tests.tolerances import RENDERED_PIXELS


def differing_pixels(images, oracle):
    """Pixels where features, alpha or depth is off by more than rounding explains, [H, W]."""
    features, alpha, depth = (~jnp.isclose(a, b, **RENDERED_PIXELS) for a, b in zip(images, oracle, strict=True))
    return features.any(axis=-1) | alpha | depth


def float64_oracle(gaussians, camera, images, cotangents):
    """The pixels that differ from the specification, and its gradient with their cotangents left out."""
    size = images[1].shape

    @jax.jit
    def run(gaussians, camera, images, cotangents):
        oracle, pull_back = jax.vjp(lambda g: rasterize_reference(g, camera, size)[:3], gaussians)
        differing = differing_pixels(images, oracle)
        return differing, pull_back(without(differing, cotangents))[0]

    with jax.enable_x64(True):
        arguments = jax.device_get((gaussians, camera, images, cotangents))
        return jax.device_get(run(*jax.tree.map(lambda a: a.astype(np.float64), arguments)))


def without(pixels, cotangents):
    features, alpha, depth = cotangents
    return jnp.where(pixels[..., None], 0, features), jnp.where(pixels, 0, alpha), jnp.where(pixels, 0, depth)
