"""The global branch: one learned query per head vertex attends to the photo's tokens (Section 3.1 of the paper)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import TransformerConfig

LAYER_NORM_EPS = 1e-5


class Attention(nnx.Module):
    """Multi-head attention with biased projections."""

    def __init__(self, width: int, num_heads: int, *, rngs: nnx.Rngs):
        def linear():
            return nnx.Linear(width, width, kernel_init=nnx.initializers.xavier_uniform(), rngs=rngs)

        self.query, self.key, self.value, self.out = linear(), linear(), linear(), linear()
        self.num_heads = num_heads

    def __call__(self, x: Float[Array, "b q c"], memory: Float[Array, "b m c"]) -> Float[Array, "b q c"]:
        def heads(y: Array) -> Array:
            return y.reshape(*y.shape[:2], self.num_heads, -1)

        attended = jax.nn.dot_product_attention(
            heads(self.query(x)), heads(self.key(memory)), heads(self.value(memory))
        )
        return self.out(attended.reshape(x.shape))


class DecoderLayer(nnx.Module):
    """Self-attention (if any), cross-attention and a feed-forward block, each followed by LayerNorm of the sum."""

    def __init__(self, width: int, config: TransformerConfig, *, rngs: nnx.Rngs):
        def norm():
            return nnx.LayerNorm(width, epsilon=LAYER_NORM_EPS, rngs=rngs)

        if config.self_attention:
            self.self_attention = Attention(width, config.num_heads, rngs=rngs)
            self.self_norm = norm()
        else:
            self.self_attention = None
        self.cross_attention = Attention(width, config.num_heads, rngs=rngs)
        self.cross_norm = norm()
        self.expand = nnx.Linear(width, config.hidden, rngs=rngs)
        self.contract = nnx.Linear(config.hidden, width, rngs=rngs)
        self.feed_forward_norm = norm()

    def __call__(self, x: Float[Array, "b q c"], memory: Float[Array, "b m c"]) -> Float[Array, "b q c"]:
        if self.self_attention is not None:
            x = self.self_norm(x + self.self_attention(x, x))
        x = self.cross_norm(x + self.cross_attention(x, memory))
        return self.feed_forward_norm(x + self.contract(nnx.relu(self.expand(x))))


class GlobalTransformer(nnx.Module):
    """Tokens of the photo -> F_global, one feature per level-0 vertex."""

    def __init__(
        self, num_vertices: int, token_channels: int, width: int, config: TransformerConfig, *, rngs: nnx.Rngs
    ):
        self.queries = nnx.Param(jax.random.normal(rngs.params(), (num_vertices, width)))
        self.query_projection = nnx.Linear(width, width, rngs=rngs)
        self.memory_projection = nnx.Linear(token_channels, width, rngs=rngs)
        self.layers = nnx.List([DecoderLayer(width, config, rngs=rngs) for _ in range(config.num_layers)])

    def __call__(self, tokens: Float[Array, "b m d"]) -> Float[Array, "b v c"]:
        memory = self.memory_projection(tokens)
        x = self.query_projection(self.queries[...])
        x = jnp.broadcast_to(x, (tokens.shape[0], *x.shape))
        for layer in self.layers:
            x = layer(x, memory)
        return x
