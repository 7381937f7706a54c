"""The paper preset's refiner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.models.state import merge_model, split_model
from omg_jax.models.style_unet import ModulatedConv, StyleUNet, double, halve
from tests.tolerances import EXACT, FLOAT32_ROUNDING

FEATURES = jax.random.uniform(jax.random.key(0), (2, 16, 16, 5))


GRAPHDEF, SHAPES, CONSTANTS = split_model(
    nnx.eval_shape(lambda: StyleUNet(5, widths=(8, 6, 4), style=16, rngs=nnx.Rngs(0)))
)  # three resolutions: 4, 8 and 16 pixels
refine = jax.jit(lambda params, *arguments: merge_model(GRAPHDEF, params, CONSTANTS)(*arguments))


@pytest.fixture
def params() -> dict:
    """Made-up parameters, noise gains zero (compiling the module's own initialisation takes far longer than a run)."""
    rng = np.random.default_rng(0)

    def fill(path: tuple, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if "noise_gain" in jax.tree_util.keystr(path):
            return jnp.zeros(leaf.shape)
        return jnp.asarray(rng.normal(0.0, 0.2, leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(fill, SHAPES)


def test_it_makes_a_picture_of_the_features_size(params):
    picture = refine(params, FEATURES)
    assert picture.shape == (2, 16, 16, 3)
    assert bool(jnp.all((picture > 0.0) & (picture < 1.0)))


def test_pictures_of_a_batch_do_not_mix(params):
    changed = FEATURES.at[0].set(1.0)
    np.testing.assert_allclose(refine(params, changed)[1], refine(params, FEATURES)[1], **EXACT)


def test_noise_needs_a_key_and_a_learned_gain(params):
    quiet = refine(params, FEATURES)
    np.testing.assert_allclose(refine(params, FEATURES, jax.random.key(1)), quiet, **FLOAT32_ROUNDING)  # gains are zero
    params["levels"][1]["second"]["noise_gain"] = jnp.ones(())
    np.testing.assert_allclose(refine(params, FEATURES), quiet, **EXACT)
    first, second = (refine(params, FEATURES, jax.random.key(seed)) for seed in (1, 2))
    assert not np.allclose(first, quiet) and not np.allclose(first, second)


def test_every_parameter_but_the_noise_gains_can_learn(params):
    gradients = jax.jit(jax.grad(lambda p: jnp.sum(jnp.square(refine(p, FEATURES)))))(params)
    dead = [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)
        if "noise_gain" not in jax.tree_util.keystr(path) and not bool(jnp.any(leaf != 0.0))
    ]
    assert not dead


def test_features_of_another_size_are_refused(params):
    with pytest.raises(ValueError, match="expected 16 x 16 pixels, got 8 x 16"):
        refine(params, FEATURES[:, :8])


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_scales_each_picture_s_kernel(demodulate):
    """StyleGAN2's definition: w' = s_i w, then over its norm; one kernel per picture."""
    conv = ModulatedConv(5, 7, 3, 4, demodulate=demodulate, rngs=nnx.Rngs(1))
    styles = jax.random.normal(jax.random.key(2), (2, 4))
    for feature, style, ours in zip(FEATURES, styles, conv(FEATURES, styles), strict=True):
        kernel = conv.kernel[...] * conv.modulation(style)[None, None, :, None]
        if demodulate:
            kernel = kernel / jnp.sqrt(jnp.sum(kernel**2, axis=(0, 1, 2)))
        layout = ("NHWC", "HWIO", "NHWC")
        wanted = jax.lax.conv_general_dilated(feature[None], kernel, (1, 1), "SAME", dimension_numbers=layout)
        np.testing.assert_allclose(ours, wanted[0], **FLOAT32_ROUNDING)


def test_resizing_is_bilinear_at_pixel_centres():
    larger = jax.image.resize(FEATURES, (2, 32, 32, 5), "bilinear")
    smaller = jax.image.resize(FEATURES, (2, 8, 8, 5), "bilinear", antialias=False)
    np.testing.assert_allclose(double(FEATURES), larger, **FLOAT32_ROUNDING)
    np.testing.assert_allclose(halve(FEATURES), smaller, **FLOAT32_ROUNDING)
