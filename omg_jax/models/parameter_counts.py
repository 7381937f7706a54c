"""How many parameters each part of a network has, found without making any."""

import jax
from flax import nnx

from omg_jax.config import ModelConfig
from omg_jax.head.model import HeadModel
from omg_jax.models.dinov2 import CONFIGS, DinoV2
from omg_jax.models.embedding import EMBEDDING_SIZE
from omg_jax.models.omg import build_model
from omg_jax.models.state import split_shapes
from omg_jax.models.style_unet import LIGHT_WIDTHS


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


def unused_in_release(config: ModelConfig) -> dict[str, int]:
    """Parameters that the authors' checkpoint holds beside ours and their network never uses, by part.

    - backbone: the mask token of DINOv2's training
    - pyramid: the skip's residual unit of the coarsest fusion, which has no skip
    - gaussian_heads: one offset MLP per level; only the separate one moves vertices
    - refiner: the UNet's 1x1 convolutions to RGB
    """
    width, hidden = config.width, config.gaussians.hidden
    convolution = 9 * width * width + width
    offset_mlp = (width + EMBEDDING_SIZE + 1) * hidden + (hidden + 1) * 3
    return {
        "backbone": CONFIGS[config.backbone].width,
        "pyramid": 2 * convolution,
        "gaussian_heads": (config.num_levels + 1) * offset_mlp,
        "refiner": sum(3 * channels + 3 for channels in LIGHT_WIDTHS[1:]),
    }


def _count(tree: dict) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
