"""How many parameters each part of a network has, found without making any."""

import jax
from flax import nnx

from omg_jax.config import ModelConfig
from omg_jax.head.model import HeadModel
from omg_jax.models.dinov2 import CONFIGS, DinoV2
from omg_jax.models.omg import build_model
from omg_jax.models.state import split_shapes


def backbone_count(name: str) -> int:
    """Parameters of a backbone, all frozen."""
    return _count(split_shapes(lambda: DinoV2(CONFIGS[name], nnx.Rngs(0)))[1])


def parameter_counts(config: ModelConfig, head: HeadModel) -> dict[str, int]:
    """Trainable parameters by part; a part that the options leave out is missing.

    ``queries`` are the transformer's, one per vertex, counted apart from it; ``gaussian_heads`` holds those of all
    levels, ``subdivide`` the MLPs between them.
    """
    _, shapes, _ = split_shapes(lambda: build_model(config, head, seed=0))
    counts = {name: _count(part) for name, part in shapes.items()}
    if "transformer" in counts:
        counts["queries"] = shapes["transformer"]["queries"].size
        counts["transformer"] -= counts["queries"]
    return counts


def _count(tree: dict) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
