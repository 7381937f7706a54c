"""DINOv2 against transformers' Dinov2Model (float64) on generated weights, and the official position embedding."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.models.dinov2 import DINOV2_SMALL, DinoV2, resample_positions
from omg_jax.models.dinov2_weights import dinov2_params
from omg_jax.models.state import merge_model, split_model
from tests.parity.dinov2_state import random_image, random_state
from tests.tolerances import DINOV2_PARITY, FLOAT32_ROUNDING

REFERENCE = np.load(Path(__file__).parent / "dinov2_transformers.npz")
# transformers resamples positions by size; the official code, our default, by a slightly larger scale.
BY_SIZE = dataclasses.replace(DINOV2_SMALL, position_offset=0.0)


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    return random_state(DINOV2_SMALL.width, DINOV2_SMALL.depth, int(REFERENCE["weight_seed"]))


@pytest.mark.parametrize("size", [(518, 518), (224, 308)])
def test_taps_equal_transformers(state, size):
    graphdef, _, constants = split_model(nnx.eval_shape(lambda: DinoV2(BY_SIZE, nnx.Rngs(0))))
    image = random_image(*size, int(REFERENCE["image_seed"]))
    taps = jax.jit(lambda params, image: merge_model(graphdef, params, constants)(image))(
        dinov2_params(state, BY_SIZE), image
    )
    name = f"{size[0]}x{size[1]}"
    ours = np.stack([tap[0] for tap in taps])[:, REFERENCE[f"tokens_{name}"]]
    np.testing.assert_allclose(ours, REFERENCE[f"taps_{name}"], **DINOV2_PARITY)


def test_positions_equal_the_official_interpolation(state):
    wanted = REFERENCE["official_positions"]
    positions = jnp.asarray(state["embeddings.position_embeddings"][0, 1:, : wanted.shape[-1]]).reshape(37, 37, -1)
    ours = resample_positions(positions, wanted.shape[:2], DINOV2_SMALL.position_offset)
    np.testing.assert_allclose(ours, wanted, **FLOAT32_ROUNDING)
