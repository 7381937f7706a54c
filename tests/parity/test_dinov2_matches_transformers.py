"""DINOv2 against transformers' Dinov2Model (float64) on generated weights, and the official position embedding."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.models.dinov2 import DINOV2_BASE, DINOV2_SMALL, NUM_TAPS, DinoConfig, DinoV2, resample_positions
from omg_jax.models.dinov2_weights import dinov2_params
from omg_jax.models.state import merge_model, split_model
from tests.parity.dinov2_state import random_image, random_state
from tests.tolerances import DINOV2_PARITY, FLOAT32_ROUNDING

REFERENCE = np.load(Path(__file__).parent / "dinov2_transformers.npz")
# transformers resamples positions by size; the official code, our default, by a slightly larger scale. Of the ViT-B
# only the width and the heads are tried: as many blocks as are tapped.
NETWORKS = {
    "small": dataclasses.replace(DINOV2_SMALL, position_offset=0.0),
    "base": dataclasses.replace(DINOV2_BASE, position_offset=0.0, depth=NUM_TAPS),
}


def made_up_state(config: DinoConfig) -> dict[str, np.ndarray]:
    return random_state(config.width, config.depth, int(REFERENCE["weight_seed"]))


@pytest.mark.parametrize("size", [(518, 518), (224, 308)])
@pytest.mark.parametrize("network", NETWORKS)
def test_taps_equal_transformers(network, size):
    config = NETWORKS[network]
    graphdef, _, constants = split_model(nnx.eval_shape(lambda: DinoV2(config, nnx.Rngs(0))))
    image = random_image(*size, int(REFERENCE["image_seed"]))
    taps = jax.jit(lambda params, image: merge_model(graphdef, params, constants)(image))(
        dinov2_params(made_up_state(config), config), image
    )
    name = f"{network}_{size[0]}x{size[1]}"
    ours = np.stack([tap[0] for tap in taps])[:, REFERENCE[f"tokens_{name}"]]
    np.testing.assert_allclose(ours, REFERENCE[f"taps_{name}"], **DINOV2_PARITY)


def test_positions_equal_the_official_interpolation():
    state = made_up_state(DINOV2_SMALL)
    wanted = REFERENCE["official_positions"]
    positions = jnp.asarray(state["embeddings.position_embeddings"][0, 1:, : wanted.shape[-1]]).reshape(37, 37, -1)
    ours = resample_positions(positions, wanted.shape[:2], DINOV2_SMALL.position_offset)
    np.testing.assert_allclose(ours, wanted, **FLOAT32_ROUNDING)
