"""The paper's model and recipe."""

from omg_jax.config import Config

CONFIG = Config(name="paper")
