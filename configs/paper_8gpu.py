"""The paper's model on eight GPUs, eight samples on each: steps see 64 pairs, and a run has an eighth of them."""

import dataclasses

from omg_jax.config import Config
from omg_jax.configs import paper

CONFIG = Config(
    name="paper_8gpu",
    model=paper.CONFIG.model,
    train=dataclasses.replace(
        paper.CONFIG.train,
        output="runs/paper_8gpu",
        batch_size=64,
        num_devices=8,
        num_steps=71_838,
        learning_rate=3e-4,  # about sqrt(8) times the paper preset's, as batches are eight times as large: untried
        warmup_steps=1000,
        loader_threads=16,
    ),
)
