"""A network that takes milliseconds: it has the model's interface, and paints the target with a few numbers."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.models.state import Constant
from omg_jax.types import PairBatch, PairOutput


class Painter(nnx.Module):
    """Tints the matte: coarse in one learned colour, refined in a mix of the source's tokens; level 1 adds a colour."""

    def __init__(self, num_tokens: int, width: int, *, rngs: nnx.Rngs):
        self.mix = nnx.Linear(width, 3, rngs=rngs)
        self.level_colour = nnx.Param(jnp.zeros(3))
        self.base = Constant(jnp.full(3, 0.25))

    def forward_pair(self, batch: PairBatch, lod: int, *, remat: bool = False) -> PairOutput:
        colour = self.mix(batch.source_tokens[0].mean(axis=1)) + self.base.get_value()
        if lod == 1:
            colour = colour + self.level_colour[...]
        refined = _tint(batch.target_matte, colour)
        offsets = jnp.broadcast_to(self.mix.bias[...], (colour.shape[0], 5, 3))
        return PairOutput(0.5 * refined, refined, batch.target_matte, batch.target_matte, offsets)

    def seen_by_source(self, batch: PairBatch, lod: int) -> Float[Array, "b h w"]:
        return batch.target_matte


def _tint(matte: Float[Array, "b h w"], colour: Float[Array, "b 3"]) -> Float[Array, "b h w 3"]:
    return matte[..., None] * colour[:, None, None, :]
