"""The paper's Tables 5 and 6 and Eq. 13: Gaussians per level, and what cross-attention costs where it is done.

    python experiments/attention_cost.py

Writes results/attention_cost.json. Counts are computed, on FLAME's topology (5,023 vertices, 14,995 edges, 9,976 faces;
every subdivision adds a vertex per edge) and on the built-in head's. Cross-attention is measured: one layer of the
paper's size on the queries of level 0, against the same layer on those of level 2 and against one of LAM's size there,
as process-CPU milliseconds side by side in one run.
"""

from collections.abc import Callable

import jax
import numpy as np
from flax import nnx
from record import write_result
from rich.console import Console
from rich.table import Table

from omg_jax.benchmarks.clock import least_cpu_ms
from omg_jax.evaluation.paper import HEAD_GAUSSIANS, SHOULDER_GAUSSIANS, TRANSFORMERS
from omg_jax.geometry.subdivision import build_subdivision
from omg_jax.head.load import load_head
from omg_jax.models.transformer import Attention

FLAME_EDGES, FLAME_FACES = 14_995, 9_976
NUM_TOKENS = 1_369  # of DINOv2 at 518 pixels
# depth: channels of an attention head
OURS, LAM = (
    dict(layers=size.layers, heads=size.heads, depth=size.width // size.heads)
    for size in (TRANSFORMERS["OMG-Avatar"], TRANSFORMERS["LAM"])
)
ROUNDS = 3


def subdivided_counts(vertices: int, edges: int, faces: int) -> list[int]:
    """Vertices of levels 0, 1 and 2: each edge is halved, and each face gets three inner edges."""
    counts = [vertices]
    for _ in range(2):
        vertices, edges, faces = vertices + edges, 2 * edges + 3 * faces, 4 * faces
        counts.append(vertices)
    return counts


def attention_cost(layers: int, heads: int, depth: int, queries: int) -> float:
    """Eq. 13: products of queries with keys, all layers and heads together."""
    return float(layers) * heads * queries * NUM_TOKENS * depth


def cross_attention(width: int, heads: int, queries: int) -> Callable[[], jax.Array]:
    """One compiled layer's cross-attention, of random weights."""
    layer = Attention(width, heads, rngs=nnx.Rngs(0))
    graphdef, weights = nnx.split(layer)
    keys = jax.random.split(jax.random.key(0))
    x, memory = (jax.random.normal(key, (1, n, width)) for key, n in zip(keys, (queries, NUM_TOKENS), strict=True))
    run = jax.jit(lambda weights, x, memory: nnx.merge(graphdef, weights)(x, memory))
    return lambda: run(weights, x, memory)


def main() -> None:
    head = load_head("arkit").model
    flame = subdivided_counts(HEAD_GAUSSIANS[0], FLAME_EDGES, FLAME_FACES)
    arkit = build_subdivision(np.asarray(head.faces), len(head.template)).num_vertices
    gaussians = {
        f"level {k}": {"paper": HEAD_GAUSSIANS[k], "ours, on FLAME": flame[k], "ours, on the ARKit head": arkit[k]}
        for k in range(3)
    }
    width = OURS["heads"] * OURS["depth"]
    layers = {
        "level 0": cross_attention(width, OURS["heads"], flame[0]),
        "level 2": cross_attention(width, OURS["heads"], flame[2]),
        "level 2, LAM's width": cross_attention(LAM["heads"] * LAM["depth"], LAM["heads"], flame[2]),
    }
    times = {name: least_cpu_ms(layer, jax.block_until_ready, ROUNDS) for name, layer in layers.items()}
    eq13 = {
        "ours": attention_cost(**OURS, queries=flame[0]),
        "ours, at level 2": attention_cost(**OURS, queries=flame[2]),
        "LAM": attention_cost(**LAM, queries=flame[2]),
        # The paper counts 4^k V_0 vertices; subdivision of a mesh with borders makes a little less.
        "LAM, by 4^k V_0": attention_cost(**LAM, queries=16 * flame[0]),
    }
    shares = {
        "by Eq. 13": eq13["ours"] / eq13["LAM, by 4^k V_0"],
        "by Eq. 13, with the vertices that there are": eq13["ours"] / eq13["LAM"],
        "measured": OURS["layers"] * times["level 0"] / (LAM["layers"] * times["level 2, LAM's width"]),
        "our layer at level 0 over itself at level 2, measured": times["level 0"] / times["level 2"],
    }
    result = {
        "gaussians_on_the_head": gaussians,
        "gaussians_with_shoulders_paper": {
            name: [count + extra for count in HEAD_GAUSSIANS] for name, extra in SHOULDER_GAUSSIANS.items()
        },
        "attention_products": eq13,
        "cross_attention_layer_cpu_ms": times,
        "cost_over_LAM": shares,
    }
    write_result("attention_cost", "python experiments/attention_cost.py", result)
    table = Table("what", "paper", "ours")
    for name, row in gaussians.items():
        table.add_row(f"Gaussians on the head, {name}", str(row["paper"]), str(row["ours, on FLAME"]))
    for name, share in shares.items():
        table.add_row(f"cross-attention over LAM's, {name}", "", f"{share:.2%}")
    Console().print(table)


if __name__ == "__main__":
    main()
