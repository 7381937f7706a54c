"""A model that a laptop CPU trains in hours and plays in real time: DINOv2-S, and narrower everything."""

from omg_jax.config import (
    AugmentConfig,
    Config,
    CurriculumConfig,
    GaussianConfig,
    LossConfig,
    ModelConfig,
    PlaneConfig,
    TrainConfig,
    TransformerConfig,
    UNetConfig,
)

CONFIG = Config(
    name="small",
    model=ModelConfig(
        backbone="dinov2-s-derived",
        backbone_size=224,
        token_scale=0.25,  # the derived backbone's tokens have standard deviations of 2 to 4
        width=64,
        pyramid_channels=(64, 96, 128, 128),
        transformer=TransformerConfig(num_heads=4, hidden=256, self_attention=False),
        gaussians=GaussianConfig(
            num_channels=29,  # 32 are splatted: three more tell a Gaussian's place in the photo
            hidden=48,
            heads_per_level=False,
            max_scale=0.1,
            max_offset=0.1,
            opaque_start=True,
            carve=True,
            colour_skip=True,
        ),
        plane=PlaneConfig(
            num_hidden=2, hidden=64, upsample=2, region="matte", margin=0.125, along_ray=True, capacity=32768
        ),
        refiner=UNetConfig(look_up=True),
        visibility_tolerance=0.006,  # 1.2 mm: tells an eyeball from the lid over it
    ),
    train=TrainConfig(
        output="runs/small",
        num_steps=20_000,
        batch_size=1,
        window=256,
        learning_rate=3e-4,
        warmup_steps=200,
        adam_b1=0.9,
        augment=AugmentConfig(share=0.5, shape_error=4.0),
        curriculum=CurriculumConfig(level_0_until=0.05, level_1_until=0.2, random_shares=(0.2, 0.4, 0.4)),
        losses=LossConfig(perceptual=0.5, perceptual_max_tap=4, perceptual_size=128),
    ),
)
