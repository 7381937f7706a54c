"""The rasterizer's specification evaluated in float64: the oracle of every kernel's tests."""

from typing import NamedTuple
from unittest import mock

import jax
import numpy as np

from omg_jax.splat import rasterize_reference, reference
from omg_jax.types import Camera, Gaussians
from tests.tolerances import FLIPPED_PIXELS, RENDERED_PIXELS, THRESHOLD_ROUNDING

FIELDS = Gaussians._fields + Camera._fields


class Expectation(NamedTuple):
    """The cotangents [H, W, ...], zero at the few pixels that differ, and the gradient that they give, as in FIELDS."""

    cotangents: tuple[np.ndarray, ...]
    gradient: tuple[np.ndarray, ...]


def expect(gaussians: Gaussians, camera: Camera, images, cotangents) -> Expectation:
    """Compares images (features, alpha, depth) with the specification.

    They must agree wherever no threshold of the blending rules is near; elsewhere a few pixels may differ.
    """
    size = images[1].shape
    with jax.enable_x64(True):
        scene = jax.tree.map(lambda a: np.asarray(a, np.float64), (gaussians, camera))

        @jax.jit
        def render(gaussians, camera, factor):
            moved = {name: factor * getattr(reference, name) for name in ("MIN_ALPHA", "MIN_TRANSMITTANCE")}
            with mock.patch.multiple(reference, **moved):
                return rasterize_reference(gaussians, camera, size)[:3]

        expected = render(*scene, 1.0)
        differing = _differing_pixels(images, expected)
        moved = [render(*scene, factor)[0] for factor in (1 - THRESHOLD_ROUNDING, 1 + THRESHOLD_ROUNDING)]
        near_a_threshold = np.any([(features != expected[0]).any(axis=-1) for features in moved], axis=0)
        assert not (differing & ~near_a_threshold).any(), "pixels differ where no threshold is near"
        assert differing.mean() <= FLIPPED_PIXELS
        kept = tuple(np.where(differing if c.ndim == 2 else differing[..., None], np.float32(0), c) for c in cotangents)

        @jax.jit
        def gradient(gaussians, camera, cotangents):
            render = lambda *scene: rasterize_reference(*scene, size)[:3]  # noqa: E731
            return jax.vjp(render, gaussians, camera)[1](cotangents)

        of_gaussians, of_camera = gradient(*scene, tuple(c.astype(np.float64) for c in kept))
        return Expectation(kept, tuple(map(np.asarray, (*of_gaussians, *of_camera))))


def _differing_pixels(images, oracle):
    """Pixels where features, alpha or depth is off by more than rounding explains, [H, W]."""
    features, alpha, depth = (~np.isclose(a, b, **RENDERED_PIXELS) for a, b in zip(images, oracle, strict=True))
    return features.any(axis=-1) | alpha | depth


def relative_error(array, expected) -> float:
    """L2 norm of the difference over that of what was expected."""
    difference = np.asarray(array, np.float64) - np.asarray(expected, np.float64)
    return float(np.linalg.norm(difference) / np.linalg.norm(expected))
