"""Gaussian splatting: ``rasterize``, the differentiable op over native kernels, and its specification in plain JAX."""

from omg_jax.splat.api import rasterize
from omg_jax.splat.reference import rasterize_reference

__all__ = ["rasterize", "rasterize_reference"]
