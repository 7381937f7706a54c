"""The training objective (Eq. 12)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.config import LossConfig
from omg_jax.losses.perceptual import perceptual_loss
from omg_jax.losses.total import METRES_PER_WORLD_UNIT, offset_norm, random_crop, total_loss
from omg_jax.types import PairOutput
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.losses.networks import VGG16_STAGES, small_network
from tests.unit.losses.pictures import distorted, photo

TARGET = jnp.stack([photo(48, 48), photo(48, 48)[::-1]])
COARSE = jnp.stack([distorted(picture) for picture in np.asarray(TARGET)])
KEY = jax.random.key(0)
NETWORK = small_network(VGG16_STAGES)
loss = jax.jit(total_loss, static_argnames="config")


def made(coarse: jax.Array, refined: jax.Array, offset: float) -> PairOutput:
    shape = coarse.shape[:-1]
    return PairOutput(coarse, refined, jnp.ones(shape), jnp.ones(shape), jnp.full((len(coarse), 100, 3), offset))


def test_total_is_the_weighted_sum_over_both_pictures():
    config = LossConfig(l2=10.0, ssim=1.0, perceptual=0.1, offset=0.1)
    total, terms = loss(made(COARSE, 0.5 * TARGET, 0.1), TARGET, NETWORK, config, KEY)
    by_hand = sum(
        10.0 * terms[f"l2_{picture}"] + terms[f"ssim_{picture}"] + 0.1 * terms[f"perceptual_{picture}"]
        for picture in ("coarse", "refined")
    )
    np.testing.assert_allclose(total, by_hand + 0.1 * terms["offset"], **FLOAT32_ROUNDING)
    assert len(terms) == 7
    np.testing.assert_allclose(terms["l2_refined"], jnp.mean((0.5 * TARGET) ** 2), **FLOAT32_ROUNDING)


def test_each_picture_has_its_own_perceptual_term():
    config = LossConfig(perceptual_max_tap=3)
    _, terms = loss(made(COARSE, 0.5 * TARGET, 0.0), TARGET, NETWORK, config, KEY)
    for name, picture in (("coarse", COARSE), ("refined", 0.5 * TARGET)):
        wanted = jnp.mean(perceptual_loss(NETWORK, picture, TARGET, max_tap=3))
        np.testing.assert_allclose(terms[f"perceptual_{name}"], wanted, **FLOAT32_ROUNDING)


def test_a_perfect_output_costs_nothing_and_stays():
    def cost(coarse, refined, offset):
        output = made(coarse, refined, 0.0)._replace(vertex_offsets=offset)
        return total_loss(output, TARGET, NETWORK, LossConfig(), KEY)[0]

    offsets = jnp.zeros((2, 100, 3))
    value, gradients = jax.jit(jax.value_and_grad(cost, argnums=(0, 1, 2)))(TARGET, TARGET, offsets)
    np.testing.assert_allclose(value, 0.0, **FLOAT32_ROUNDING)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, 0.0, **FLOAT32_ROUNDING)


def test_offset_term_is_the_norm_in_metres_averaged_over_heads():
    offsets = jnp.zeros((2, 5, 3)).at[0, 2].set(jnp.array([3.0, 0.0, 4.0]))
    np.testing.assert_allclose(offset_norm(offsets), 5.0 * METRES_PER_WORLD_UNIT / 2.0, **FLOAT32_ROUNDING)


def test_the_crop_is_one_window_of_all_pictures_and_follows_its_key():
    pictures = jnp.broadcast_to(jnp.arange(64.0 * 48.0).reshape(64, 48, 1), (3, 2, 64, 48, 1))
    corners = set()
    for seed in range(20):
        crop = random_crop(pictures, 16, jax.random.key(seed))
        top, left = divmod(int(crop[0, 0, 0, 0, 0]), 48)
        np.testing.assert_array_equal(crop, pictures[..., top : top + 16, left : left + 16, :])
        corners.add((top, left))
    assert len(corners) > 10


def test_the_perceptual_term_sees_only_its_crop():
    config = LossConfig(perceptual_size=32)
    _, terms = loss(made(COARSE, COARSE, 0.0), TARGET, NETWORK, config, KEY)
    cropped = random_crop(jnp.stack([COARSE, COARSE, TARGET]), 32, KEY)
    wanted = jnp.mean(perceptual_loss(NETWORK, cropped[0], cropped[2]))
    np.testing.assert_allclose(terms["perceptual_coarse"], wanted, **FLOAT32_ROUNDING)


def test_a_crop_larger_than_the_pictures_is_refused():
    config = dataclasses.replace(LossConfig(), perceptual_size=49)
    with pytest.raises(ValueError, match="perceptual_size: expected at most the pictures' 48 x 48 pixels, got 49"):
        total_loss(made(COARSE, COARSE, 0.0), TARGET, NETWORK, config, KEY)
