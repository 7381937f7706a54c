"""The global branch: attention by blocks, and the part of it that no photo changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import jaxprs_in_params

from omg_jax.config import TransformerConfig
from omg_jax.models import transformer
from omg_jax.models.transformer import GlobalTransformer, attend
from tests.tolerances import EXACT, FLOAT32_ROUNDING


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize("length", [7, 8, 9, 30])
def test_attention_by_blocks_is_attention(monkeypatch, length):
    monkeypatch.setattr(transformer, "QUERIES_AT_ONCE", 8)
    queries, keys, values = normal(0, 2, length, 3, 4), normal(1, 2, 11, 3, 4), normal(2, 2, 11, 3, 4)

    def pull(function):
        return jax.vjp(function, queries, keys, values)

    (ours, back), (theirs, wanted) = pull(attend), pull(jax.nn.dot_product_attention)
    np.testing.assert_allclose(ours, theirs, **FLOAT32_ROUNDING)
    for gradient, expected in zip(back(values[:, :1] + theirs), wanted(values[:, :1] + theirs), strict=True):
        np.testing.assert_allclose(gradient, expected, **FLOAT32_ROUNDING)


def largest_array(function, *arguments) -> int:
    """Entries of the largest array that a computation makes, at any depth."""

    def arrays(jaxpr):
        for equation in jaxpr.eqns:
            yield from (variable.aval.size for variable in equation.outvars)
            for inner in jaxprs_in_params(equation.params):
                yield from arrays(inner)

    return max(arrays(jax.make_jaxpr(function)(*arguments).jaxpr))


def test_no_array_holds_the_scores_of_all_queries_with_all_keys():
    count = 4 * transformer.QUERIES_AT_ONCE
    x = jax.ShapeDtypeStruct((1, count, 2, 4), jnp.float32)
    assert largest_array(jax.nn.dot_product_attention, x, x, x) == 2 * count * count
    assert largest_array(attend, x, x, x) == 2 * count * count // 4


@pytest.mark.parametrize("self_attention", [True, False])
def test_what_no_photo_changes_may_be_computed_beforehand(self_attention):
    config = TransformerConfig(num_layers=2, num_heads=2, hidden=8, self_attention=self_attention)
    model = GlobalTransformer(5, 6, 4, config, rngs=nnx.Rngs(0))
    tokens = normal(3, 2, 9, 6)
    whole = model(tokens)
    np.testing.assert_allclose(model(tokens, model.start()), whole, **EXACT)
    # It is the first layer's self-attention over the same queries, whatever the photo.
    x = model.query_projection(jnp.broadcast_to(model.queries[...], (2, 5, 4)))
    for layer in model.layers:
        x = layer(x, model.memory_projection(tokens))
    np.testing.assert_allclose(whole, x, **FLOAT32_ROUNDING)
