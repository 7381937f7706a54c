"""The feature pyramid, loaded as a released checkpoint is, against the same composed of torch's layers (float64):
transposed and strided convolutions, resizing, fusion."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx

from omg_jax.config import ModelConfig
from omg_jax.models import release_weights
from omg_jax.models.pyramid import FeaturePyramid
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.models.torch_state import TorchState
from tests.parity.pyramid_state import CHANNELS, TOKEN_CHANNELS, WIDTH, random_inputs, random_state
from tests.tolerances import PYRAMID_PARITY

REFERENCE = np.load(Path(__file__).parent / "pyramid_torch.npz")


def test_features_equal_torch():
    graphdef, _, constants = split_shapes(lambda: FeaturePyramid(TOKEN_CHANNELS, CHANNELS, WIDTH, rngs=nnx.Rngs(0)))
    arrays = TorchState(random_state(int(REFERENCE["weight_seed"])))
    params = release_weights._pyramid(arrays, TOKEN_CHANNELS, ModelConfig(width=WIDTH, pyramid_channels=CHANNELS))
    arrays.check()
    assert arrays.left() == []
    taps, image = random_inputs(int(REFERENCE["input_seed"]))
    features = merge_model(graphdef, params, constants)(tuple(map(jnp.asarray, taps)), jnp.asarray(image))
    kept = REFERENCE["kept"]
    np.testing.assert_allclose(features[:, kept][:, :, kept], REFERENCE["features"], **PYRAMID_PARITY)
