"""Puts the weights of a finished run into the package, as float16: omg_jax/assets/<preset>.safetensors.

    python experiments/ship_weights.py RUN/weights.safetensors
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro
from rich.console import Console
from tyro.conf import Positional

from omg_jax.head.load import load_head
from omg_jax.models.omg import build_model
from omg_jax.models.state import split_shapes
from omg_jax.models.weights import load_weights, read_weights_meta, save_weights

ASSETS = Path(__file__).parents[1] / "omg_jax" / "assets"


@dataclass
class Options:
    """What to ship."""

    weights: Positional[Path]
    """Weights file that omg train wrote."""


def main(options: Options) -> None:
    meta = read_weights_meta(options.weights)
    head = load_head(meta.head_name).model
    _, shapes, _ = split_shapes(lambda: build_model(meta.model, head, seed=0))
    params = load_weights(options.weights, shapes)
    target = ASSETS / f"{meta.preset}.safetensors"
    save_weights(target, params, meta, dtype=np.float16)
    count = sum(array.size for array in jax.tree.leaves(params))
    size = target.stat().st_size / 2**20
    Console().print(f"{target}: {count:,} parameters of step {meta.step}, {size:.1f} MiB")


if __name__ == "__main__":
    main(tyro.cli(Options))
