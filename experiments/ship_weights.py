"""Puts the weights of finished runs into the package, as float16: omg_jax/assets/<preset>.safetensors.

    python experiments/ship_weights.py RUN/weights.safetensors
    python experiments/ship_weights.py A/weights.safetensors B/weights.safetensors --shares 0.4 0.6
    python experiments/ship_weights.py omg_jax/assets/small.safetensors --refiner RUN/weights.safetensors

Of several files the mean is shipped: runs that began from each other's weights lie near enough, and it is better than
each (Wortsman et al., "Model soups", ICML 2022).
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

    weights: Positional[tuple[Path, ...]]
    """Weights files that omg train wrote."""
    shares: tuple[float, ...] = (1.0,)
    """What each of them counts; they add up to 1."""
    refiner: Path | None = None
    """Weights whose refiner is shipped with the others' other parts."""


def main(options: Options) -> None:
    if len(options.shares) != len(options.weights) or not np.isclose(sum(options.shares), 1.0):
        raise SystemExit(f"--shares: expected {len(options.weights)} that add up to 1, got {options.shares}")
    meta = read_weights_meta(options.weights[-1])
    head = load_head(meta.head_name).model
    _, shapes, _ = split_shapes(lambda: build_model(meta.model, head, seed=0))
    found = [load_weights(path, shapes) for path in options.weights]
    params = jax.tree.map(
        lambda *parts: sum(share * np.asarray(part) for share, part in zip(options.shares, parts, strict=True)), *found
    )
    if options.refiner:
        params["refiner"] = load_weights(options.refiner, shapes)["refiner"]
    target = ASSETS / f"{meta.preset}.safetensors"
    save_weights(target, params, meta, dtype=np.float16)
    count = sum(array.size for array in jax.tree.leaves(params))
    size = target.stat().st_size / 2**20
    Console().print(f"{target}: {count:,} parameters of step {meta.step}, {size:.1f} MiB")


if __name__ == "__main__":
    main(tyro.cli(Options))
