"""The release's perceptual term."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.losses.perceptual import network_features
from omg_jax.losses.release_perceptual import TAP_WEIGHTS, release_perceptual_loss
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.losses.networks import ALEXNET_STAGES, small_network
from tests.unit.losses.pictures import distorted, photo

A, B = jnp.asarray(photo(64, 64))[None], jnp.asarray(distorted(photo(64, 64)))[None]
NETWORK = small_network(ALEXNET_STAGES)
distance = jax.jit(release_perceptual_loss)


def test_it_is_the_weighted_l1_distance_of_normalised_features():
    def features(picture):
        normalised = (picture - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
        taps = [np.asarray(tap) for tap in jax.jit(network_features)(NETWORK, normalised)]
        lengths = [np.linalg.norm(tap, axis=-1, keepdims=True) for tap in taps]
        return [tap / np.where(length > 0, length, 1) for tap, length in zip(taps, lengths, strict=True)]

    wanted = sum(
        weight * np.abs(x - y).sum(axis=-1).mean()
        for weight, x, y in zip(TAP_WEIGHTS, features(A), features(B), strict=True)
    )
    np.testing.assert_allclose(distance(NETWORK, A, B), [wanted], **FLOAT32_ROUNDING)


@pytest.mark.parametrize("pictures", [A, jnp.zeros_like(A)])
def test_identical_pictures_have_no_distance(pictures):
    np.testing.assert_allclose(distance(NETWORK, pictures, pictures), 0.0, **FLOAT32_ROUNDING)
