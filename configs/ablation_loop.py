"""The paper with Loop's subdivision surface in place of midpoint subdivision."""

import dataclasses

from omg_jax.configs import paper

CONFIG = dataclasses.replace(
    paper.CONFIG,
    name="ablation_loop",
    model=dataclasses.replace(paper.CONFIG.model, subdivision="loop"),
    train=dataclasses.replace(paper.CONFIG.train, output="runs/ablation_loop"),
)
