"""Reconstruction tells what it leaves out."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.avatar import Network, reconstruct
from omg_jax.configs import load_preset
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.models.dinov2 import DinoV2
from omg_jax.models.omg import build_model
from omg_jax.types import Camera

CAPACITY = 100


class GreyBackbone(DinoV2):
    """Four taps of constant tokens, without the real backbone's weights."""

    def __init__(self, num_tokens: int, channels: int):
        self.shape = (num_tokens, channels)

    def __call__(self, image):
        return (jnp.full((image.shape[0], *self.shape), 0.1),) * 4


def test_plane_gaussians_beyond_the_capacity_are_reported():
    preset = load_preset("tiny")
    plane = dataclasses.replace(preset.model.plane, capacity=CAPACITY)
    model_config = dataclasses.replace(preset.model, plane=plane)
    config, head = dataclasses.replace(preset, model=model_config), load_head("arkit")
    model = build_model(model_config, head.model, seed=0)
    network = Network(config, head, model, GreyBackbone((model_config.backbone_size // 14) ** 2, 384), "0" * 64)
    size, pose = model_config.image_size, np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = 9.2
    camera = Camera(jnp.asarray(pose), portrait_intrinsics((size, size)))
    image = jnp.full((size, size, 3), 0.5)
    with pytest.warns(UserWarning, match=f"the least opaque, were left out: plane.capacity is {CAPACITY}"):
        avatar = reconstruct(network, image, jnp.ones((size, size)), zero_params(head.model), camera)
    assert np.count_nonzero(avatar.plane.opacities) == CAPACITY
