"""For tests: the small model, smaller, and a few steps."""

import dataclasses

from omg_jax.config import AugmentConfig, GaussianConfig, LossConfig, PlaneConfig, TransformerConfig, UNetConfig
from omg_jax.configs import small

CONFIG = dataclasses.replace(
    small.CONFIG,
    name="tiny",
    model=dataclasses.replace(
        small.CONFIG.model,
        backbone_size=70,
        width=16,
        pyramid_channels=(8, 8, 16, 16),
        transformer=TransformerConfig(num_layers=1, num_heads=2, hidden=32, self_attention=False),
        gaussians=GaussianConfig(
            num_channels=8, hidden=16, max_scale=0.1, opaque_start=True, carve=True, colour_skip=True
        ),
        plane=PlaneConfig(num_hidden=1, hidden=16, upsample=1, region="matte", along_ray=True, capacity=1600),
        refiner=UNetConfig(widths=(8, 16), look_up=True),
        image_size=128,
    ),
    train=dataclasses.replace(
        small.CONFIG.train,
        output="runs/tiny",
        num_steps=20,
        window=64,
        checkpoint_every=10,
        picture_every=20,
        augment=AugmentConfig(),
        losses=LossConfig(perceptual_net="lpips-alexnet", perceptual_max_tap=2, perceptual_size=48),
    ),
)
