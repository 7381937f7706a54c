"""The paper with local features for hidden vertices too: M of Eq. 6 is one everywhere."""

import dataclasses

from omg_jax.config import PartsConfig
from omg_jax.configs import paper

CONFIG = dataclasses.replace(
    paper.CONFIG,
    name="ablation_no_occlusion_mask",
    model=dataclasses.replace(paper.CONFIG.model, parts=PartsConfig(occlusion_mask=False)),
    train=dataclasses.replace(paper.CONFIG.train, output="runs/ablation_no_occlusion_mask"),
)
