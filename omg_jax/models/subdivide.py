"""Subdivision of features: precomputed sparse matrices as a module's constants, and the MLP between levels (Eq. 3)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.geometry.subdivision import Subdivision, subdivide, subdivide_to_level
from omg_jax.models.mlp import MLP
from omg_jax.models.state import Constant


class HierarchicalSubdivision(nnx.Module):
    """F_{k+1}, V_{k+1} = Phi(Psi_k(F_k), V_k).

    Psi_k is a residual MLP whose last layer starts at zero; the release has none (with_mlp=False). Rows are
    prefix-nested.
    """

    def __init__(self, subdivision: Subdivision, width: int, *, with_mlp: bool, rngs: nnx.Rngs):
        self.num_levels = len(subdivision.level_tables)
        self.tables = Constant(jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, subdivision))
        self.mlps = nnx.List(
            [MLP(width, width, width, zero_last=True, rngs=rngs) for _ in range(self.num_levels if with_mlp else 0)]
        )

    @property
    def subdivision(self) -> Subdivision:
        """The precomputed tables."""
        return self.tables.get_value()

    def positions(self, vertices: Float[Array, "*b v c"], level: int) -> Float[Array, "*b n c"]:
        """Level-0 positions (or normals, or spacings) brought to a level."""
        return subdivide_to_level(self.subdivision, vertices, level)

    def features(self, features: Float[Array, "*b v c"]) -> list[Float[Array, "*b n c"]]:
        """Features of every level, from those of level 0."""
        levels = [features]
        for k, table in enumerate(self.subdivision.level_tables):
            x = levels[-1]
            levels.append(subdivide(table, x + self.mlps[k](x) if self.mlps else x))
        return levels
