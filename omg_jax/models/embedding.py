"""Harmonic embedding of a direction."""

import jax.numpy as jnp
from jaxtyping import Array, Float

NUM_FREQUENCIES = 4
EMBEDDING_SIZE = 3 * (2 * NUM_FREQUENCIES + 1)


def harmonic_embedding(directions: Float[Array, "*b 3"]) -> Float[Array, "*b 27"]:
    """[sin, cos, identity] of the components at frequencies 1, 2, 4, 8, component-major, as PyTorch3D orders them."""
    frequencies = 2.0 ** jnp.arange(NUM_FREQUENCIES, dtype=directions.dtype)
    angles = (directions[..., None] * frequencies).reshape(*directions.shape[:-1], -1)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles), directions], axis=-1)
