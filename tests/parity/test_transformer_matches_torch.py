"""The global transformer, loaded as a released checkpoint is, against torch's TransformerDecoder (float64)."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.config import ModelConfig, TransformerConfig
from omg_jax.models import release_weights, transformer
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.models.torch_state import TorchState
from tests.parity.transformer_state import (
    HIDDEN,
    NUM_HEADS,
    NUM_LAYERS,
    NUM_QUERIES,
    TOKEN_CHANNELS,
    WIDTH,
    random_state,
    random_tokens,
)
from tests.tolerances import TRANSFORMER_PARITY

REFERENCE = np.load(Path(__file__).parent / "transformer_torch.npz")
CONFIG = TransformerConfig(num_layers=NUM_LAYERS, num_heads=NUM_HEADS, hidden=HIDDEN)


@pytest.mark.parametrize("queries_at_once", [NUM_QUERIES, 40], ids=["at once", "in blocks, the last one padded"])
def test_features_equal_torch(monkeypatch, queries_at_once):
    monkeypatch.setattr(transformer, "QUERIES_AT_ONCE", queries_at_once)
    graphdef, _, constants = split_shapes(
        lambda: transformer.GlobalTransformer(NUM_QUERIES, TOKEN_CHANNELS, WIDTH, CONFIG, rngs=nnx.Rngs(0))
    )
    arrays = TorchState(random_state(int(REFERENCE["weight_seed"])))
    options = ModelConfig(width=WIDTH, transformer=CONFIG)
    params = release_weights._transformer(arrays, NUM_QUERIES, TOKEN_CHANNELS, options)
    arrays.check()
    assert arrays.left() == []
    features = merge_model(graphdef, params, constants)(jnp.asarray(random_tokens(int(REFERENCE["token_seed"]))))
    np.testing.assert_allclose(features[:, REFERENCE["queries"]], REFERENCE["features"], **TRANSFORMER_PARITY)
