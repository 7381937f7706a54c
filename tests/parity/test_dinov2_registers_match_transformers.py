"""DINOv2 with registers against transformers' Dinov2WithRegistersModel (float64) on generated weights."""

from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from omg_jax.models.dinov2 import DinoConfig, DinoV2
from omg_jax.models.dinov2_weights import dinov2_params
from omg_jax.models.state import merge_model, split_model
from tests.parity.dinov2_state import random_image, random_state
from tests.tolerances import DINOV2_PARITY

REFERENCE = np.load(Path(__file__).parent / "dinov2_registers.npz")
CONFIG = DinoConfig(**{name: int(REFERENCE[name]) for name in ("width", "depth", "num_heads", "num_registers")})


@pytest.mark.parametrize("size", [(518, 518), (224, 308), (532, 546)])
def test_taps_equal_transformers(size):
    """At the trained size, and with positions resampled to fewer and to more patches."""
    state = random_state(CONFIG.width, CONFIG.depth, int(REFERENCE["weight_seed"]), CONFIG.num_registers)
    graphdef, _, constants = split_model(nnx.eval_shape(lambda: DinoV2(CONFIG, nnx.Rngs(0))))
    image = random_image(*size, int(REFERENCE["image_seed"]))
    taps = jax.jit(lambda params, image: merge_model(graphdef, params, constants)(image))(
        dinov2_params(state, CONFIG), image
    )
    name = f"{size[0]}x{size[1]}"
    ours = np.stack([tap[0] for tap in taps])[:, REFERENCE[f"tokens_{name}"]]
    np.testing.assert_allclose(ours, REFERENCE[f"taps_{name}"], **DINOV2_PARITY)
