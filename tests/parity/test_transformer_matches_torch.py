"""The global transformer against torch's TransformerDecoder (float64, post-norm) on generated weights."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx

from omg_jax.config import TransformerConfig
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.models.transformer import GlobalTransformer
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


def our_params(state: dict[str, np.ndarray]) -> dict:
    """torch's arrays in our tree: kernels (in, out), packed projections taken apart."""

    def linear(weight: np.ndarray, bias: np.ndarray) -> dict:
        return {"kernel": jnp.asarray(weight.T), "bias": jnp.asarray(bias)}

    def named(name: str) -> dict:
        return linear(state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name: str) -> dict:
        return {"scale": jnp.asarray(state[f"{name}.weight"]), "bias": jnp.asarray(state[f"{name}.bias"])}

    def attention(name: str) -> dict:
        weights, biases = (np.split(state[f"{name}.in_proj_{part}"], 3) for part in ("weight", "bias"))
        packed = {part: linear(w, b) for part, w, b in zip(("query", "key", "value"), weights, biases, strict=True)}
        return packed | {"out": named(f"{name}.out_proj")}

    def layer(name: str) -> dict:
        return {
            "self_attention": attention(f"{name}.self_attn"),
            "self_norm": norm(f"{name}.norm1"),
            "cross_attention": attention(f"{name}.multihead_attn"),
            "cross_norm": norm(f"{name}.norm2"),
            "expand": named(f"{name}.linear1"),
            "contract": named(f"{name}.linear2"),
            "feed_forward_norm": norm(f"{name}.norm3"),
        }

    return {
        "queries": jnp.asarray(state["head_base"]),
        "query_projection": named("input_projection"),
        "memory_projection": named("memory_projection"),
        "layers": {index: layer(f"layers.{index}") for index in range(NUM_LAYERS)},
    }


def test_features_equal_torch():
    config = TransformerConfig(num_layers=NUM_LAYERS, num_heads=NUM_HEADS, hidden=HIDDEN)
    graphdef, _, constants = split_shapes(
        lambda: GlobalTransformer(NUM_QUERIES, TOKEN_CHANNELS, WIDTH, config, rngs=nnx.Rngs(0))
    )
    model = merge_model(graphdef, our_params(random_state(int(REFERENCE["weight_seed"]))), constants)
    features = model(jnp.asarray(random_tokens(int(REFERENCE["token_seed"]))))
    np.testing.assert_allclose(features[:, REFERENCE["queries"]], REFERENCE["features"], **TRANSFORMER_PARITY)
