"""The paper without the Gaussians of shoulders and hair (Table 4)."""

import dataclasses

from omg_jax.config import PartsConfig
from omg_jax.configs import paper

CONFIG = dataclasses.replace(
    paper.CONFIG,
    name="ablation_no_shoulder",
    model=dataclasses.replace(paper.CONFIG.model, parts=PartsConfig(shoulder=False)),
    train=dataclasses.replace(paper.CONFIG.train, output="runs/ablation_no_shoulder"),
)
