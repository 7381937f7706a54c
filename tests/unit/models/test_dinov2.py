"""DINOv2's parts; the whole is held to transformers in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.models.dinov2 import (
    GRID_SIZE,
    IMAGENET_MEAN,
    IMAGENET_STD,
    NUM_TAPS,
    PATCH_SIZE,
    DinoConfig,
    DinoV2,
    bicubic_matrix,
    resample_positions,
)
from omg_jax.models.dinov2_weights import dinov2_params
from omg_jax.models.state import merge_model, split_model
from tests.parity.dinov2_state import random_state
from tests.tolerances import EXACT, FLOAT32_ROUNDING

CONFIG = DinoConfig(width=8, depth=NUM_TAPS + 1, num_heads=2)
IMAGE = jax.random.uniform(jax.random.key(0), (2, 3 * PATCH_SIZE, 4 * PATCH_SIZE, 3))


GRAPHDEF, _, CONSTANTS = split_model(nnx.eval_shape(lambda: DinoV2(CONFIG, nnx.Rngs(0))))
PARAMS = dinov2_params(random_state(CONFIG.width, CONFIG.depth, seed=0), CONFIG)
run = jax.jit(lambda params, images: merge_model(GRAPHDEF, params, CONSTANTS)(images))


def test_four_taps_of_one_token_per_patch():
    taps = run(PARAMS, IMAGE)
    assert [tap.shape for tap in taps] == [(2, 12, CONFIG.width)] * NUM_TAPS
    assert not np.allclose(taps[0], taps[1])


def test_patches_are_embedded_as_a_convolution_in_row_major_order():
    """With the blocks' scales at zero, tokens are the normalised patch embeddings with their positions."""
    params = jax.tree.map(jnp.asarray, PARAMS)
    for block in params["blocks"].values():
        block["attention_scale"] *= 0.0
        block["mlp_scale"] *= 0.0
    kernel = params["patch_embedding"]["kernel"].reshape(PATCH_SIZE, PATCH_SIZE, 3, CONFIG.width)
    normalised = (IMAGE - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD)
    strides = (PATCH_SIZE, PATCH_SIZE)
    patches = jax.lax.conv_general_dilated(
        normalised, kernel, strides, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    positions = resample_positions(params["patch_positions"], (3, 4), CONFIG.position_offset)
    embedded = (patches + params["patch_embedding"]["bias"] + positions).reshape(2, 12, CONFIG.width)
    norm = params["norm"]
    wanted = jax.nn.standardize(embedded, epsilon=1e-6) * norm["scale"] + norm["bias"]
    np.testing.assert_allclose(run(params, IMAGE)[-1], wanted, **FLOAT32_ROUNDING)


def test_images_of_a_part_of_a_patch_are_refused():
    with pytest.raises(ValueError, match="multiples of 14, got 42 x 50"):
        run(PARAMS, IMAGE[:, :, :50])


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_positions_of_the_trained_grid_are_used_as_they_are(offset):
    positions = jax.random.normal(jax.random.key(1), (GRID_SIZE, GRID_SIZE, 3))
    resampled = resample_positions(positions, (GRID_SIZE, GRID_SIZE), offset)
    np.testing.assert_allclose(resampled, positions, **EXACT)


def test_positions_of_another_grid_keep_rows_and_columns_apart():
    rows = jnp.broadcast_to(jnp.arange(float(GRID_SIZE))[:, None, None], (GRID_SIZE, GRID_SIZE, 1))
    resampled = resample_positions(rows / GRID_SIZE, (16, 20), 0.0)
    assert resampled.shape == (16, 20, 1)
    np.testing.assert_allclose(resampled, jnp.broadcast_to(resampled[:, :1], (16, 20, 1)), **FLOAT32_ROUNDING)
    assert np.all(np.diff(resampled[:, 0, 0]) > 0)


def test_bicubic_weights_are_the_kernel_s_and_borders_repeat():
    """Halfway between samples the kernel with a = -0.75 weighs its four neighbours -3/32, 19/32, 19/32, -3/32."""
    outer, inner = -3 / 32, 19 / 32
    wanted = [
        [outer + inner, inner, outer, 0, 0, 0],
        [0, outer, inner, inner, outer, 0],
        [0, 0, 0, outer, inner, inner + outer],
    ]
    np.testing.assert_allclose(bicubic_matrix(6, 3, 2.0), wanted, **FLOAT32_ROUNDING)


@pytest.mark.parametrize("outputs", [16, 50])
def test_bicubic_weights_sum_to_one(outputs):
    np.testing.assert_allclose(bicubic_matrix(37, outputs, 37 / outputs).sum(axis=1), 1.0, **FLOAT32_ROUNDING)
