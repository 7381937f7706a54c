"""What tests of the whole network share: a head, and a photo of noise at the tiny preset's size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.configs import load_preset
from omg_jax.geometry.camera import crop_camera, portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.head.model import HeadModel, zero_params
from omg_jax.models.omg import Source
from omg_jax.types import Camera, PairBatch

TINY = load_preset("tiny").model
DISTANCE = 9.2


@pytest.fixture(scope="session")
def head() -> HeadModel:
    return load_head("arkit").model


@pytest.fixture(scope="session")
def source(head) -> Source:
    return noise_photo(head)


def noise_photo(head: HeadModel) -> Source:
    """A frontal photo of noise, with a matte that covers its lower part."""
    size = TINY.image_size
    pose = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = DISTANCE
    matte = jnp.ones((1, size, size)).at[:, : size // 8].set(0.0)
    keys = jax.random.split(jax.random.key(1), 5)
    image = jax.random.uniform(keys[0], (1, size, size, 3)) * matte[..., None]
    tokens = tuple(jax.random.normal(key, (1, (TINY.backbone_size // 14) ** 2, 384)) for key in keys[1:])
    camera = Camera(jnp.asarray(pose)[None], portrait_intrinsics((size, size))[None])
    return Source(image, matte, tokens, zero_params(head, (1,)), camera)


def as_pair(source: Source, target: jax.Array) -> PairBatch:
    """The photo as source and driver; the target is its lower left corner, where head and plane meet."""
    camera = crop_camera(source.camera, float(source.image.shape[1] - target.shape[1]), 0.0)
    driving = (target, jnp.ones(target.shape[:3]), source.params, camera)
    return PairBatch(*source[:3], source.params, source.camera, *driving)
