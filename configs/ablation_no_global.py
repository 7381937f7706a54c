"""The paper without global features (Table 4)."""

import dataclasses

from omg_jax.config import PartsConfig
from omg_jax.configs import paper

CONFIG = dataclasses.replace(
    paper.CONFIG,
    name="ablation_no_global",
    model=dataclasses.replace(paper.CONFIG.model, parts=PartsConfig(global_features=False)),
    train=dataclasses.replace(paper.CONFIG.train, output="runs/ablation_no_global"),
)
