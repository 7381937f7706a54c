"""The global branch: one learned query per head vertex attends to the photo's tokens (Section 3.1 of the paper)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import TransformerConfig

LAYER_NORM_EPS = 1e-5
QUERIES_AT_ONCE = 256  # whose scores exist at a time: at the paper's size 41 MB of the 807 MB of a self-attention


def attend(
    queries: Float[Array, "b q h d"], keys: Float[Array, "b m h d"], values: Float[Array, "b m h d"]
) -> Float[Array, "b q h d"]:
    """Softmax attention, by blocks of queries: the scores of all queries with all keys never exist together."""
    batch, length, heads, depth = queries.shape
    if length <= QUERIES_AT_ONCE:
        return jax.nn.dot_product_attention(queries, keys, values)
    num_blocks = -(-length // QUERIES_AT_ONCE)
    size = -(-length // num_blocks)
    padded = jnp.pad(queries, ((0, 0), (0, num_blocks * size - length), (0, 0), (0, 0)))
    blocks = jnp.moveaxis(padded.reshape(batch, num_blocks, size, heads, depth), 1, 0)
    # The checkpoint keeps a training step from storing every block's scores for its way back.
    one = jax.checkpoint(lambda block: jax.nn.dot_product_attention(block, keys, values))
    attended = jnp.moveaxis(jax.lax.map(one, blocks), 0, 1)
    return attended.reshape(batch, num_blocks * size, heads, depth)[:, :length]


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

        attended = attend(heads(self.query(x)), heads(self.key(memory)), heads(self.value(memory)))
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
        return self.look(self.among_queries(x), memory)

    def among_queries(self, x: Float[Array, "b q c"]) -> Float[Array, "b q c"]:
        """The self-attention's block: what a layer does before it looks at the memory."""
        return x if self.self_attention is None else self.self_norm(x + self.self_attention(x, x))

    def look(self, x: Float[Array, "b q c"], memory: Float[Array, "b m c"]) -> Float[Array, "b q c"]:
        """The rest of the layer."""
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

    def start(self) -> Float[Array, "v c"]:
        """The queries as they first meet a photo: projected, and through the first layer's self-attention.

        All that depends on the weights alone, so a run time computes it once for all photos.
        """
        x = self.query_projection(self.queries[...])[None]
        return (self.layers[0].among_queries(x) if self.layers else x)[0]

    def __call__(
        self, tokens: Float[Array, "b m d"], start: Float[Array, "v c"] | None = None
    ) -> Float[Array, "b v c"]:
        """start: what ``start`` gives, where it is known already."""
        memory = self.memory_projection(tokens)
        x = self.start() if start is None else start
        x = jnp.broadcast_to(x, (tokens.shape[0], *x.shape))
        for index, layer in enumerate(self.layers):
            x = layer.look(x, memory) if index == 0 else layer(x, memory)
        return x
