"""The handlers' own checks, for callers that go past ``splat.rasterize``: which array, what was expected, what came."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax import native
from tests.kernels.splat_scenes import cloud, portrait_camera

SIZE = (8, 12)


def call_forward(arrays: dict | None = None, results: dict | None = None, batch: tuple[int, ...] = ()):
    """The forward handler on a scene of five Gaussians, with some arrays or results of another shape."""
    gaussians, camera = cloud(5, 3), portrait_camera(*SIZE)
    scene = gaussians._asdict() | camera._asdict()
    operands = {name: a.reshape((1,) * len(batch) + a.shape) for name, a in scene.items()} | (arrays or {})
    shapes = dict(features=(*SIZE, 3), alpha=SIZE, depth=SIZE, transmittance=SIZE, last=SIZE, stats=(4,))
    shapes |= results or {}
    integers = ("last", "stats")
    specifications = tuple(
        jax.ShapeDtypeStruct((*batch, *shape), jnp.int32 if name in integers else jnp.float32)
        for name, shape in shapes.items()
    )
    attributes = {"near": np.float32(0.01), "blur": np.float32(0.3)}
    return native.call("omg_rasterize_forward", specifications, *operands.values(), **attributes)


def test_a_scene_that_fits_is_drawn():
    assert float(call_forward()[1].max()) > 0
    assert call_forward(batch=(2, 1, 3))[1].shape == (2, 1, 3, *SIZE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(arrays=dict(quats=jnp.zeros((5, 3)))), r"quats: expected \[..., 5, 4\], got \[5, 3\]"),
        (dict(arrays=dict(opacities=jnp.zeros((6,)))), r"opacities: expected \[..., 5\], got \[6\]"),
        (dict(arrays=dict(features=jnp.zeros((1, 5, 3)))), r"features has 3 dimensions, expected 2"),
        (dict(arrays=dict(intrinsics=jnp.zeros((2, 3, 3))), batch=(1,)), r"intrinsics: expected \[..., 3, 3\]"),
        (dict(results=dict(depth=(8, 11))), r"depth: expected \[..., 8, 12\], got \[8, 11\]"),
        (dict(results=dict(stats=(3,))), r"stats: expected \[..., 4\], got \[3\]"),
        (dict(batch=(1,) * 7), "at most 6 batch dimensions"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(jax.errors.JaxRuntimeError, match=message):
        jax.block_until_ready(call_forward(**change))
