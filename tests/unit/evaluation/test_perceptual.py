"""LPIPS in batches; its formula is held to lpips-jax in tests/parity."""

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.assets.registry import asset_path
from omg_jax.evaluation.perceptual import BATCH, Lpips, joined
from omg_jax.losses.perceptual import perceptual_loss
from omg_jax.losses.perceptual_weights import load_perceptual
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.losses.pictures import distorted, photo

COUNT = BATCH + 2
TARGETS = np.stack([np.roll(photo(64, 64), 5 * k, axis=1) for k in range(COUNT)])
PICTURES = np.stack([distorted(target) for target in TARGETS])


@pytest.mark.parametrize("net, asset", [("alex", "lpips-alexnet"), ("vgg", "lpips-vgg16")])
def test_batches_give_the_distance_of_each_picture(net, asset):
    measure = Lpips(net)
    prepared = measure.prepare(TARGETS)
    params = load_perceptual(asset_path(asset))
    expected = perceptual_loss(params, jnp.asarray(PICTURES), jnp.asarray(TARGETS))
    np.testing.assert_allclose(joined(measure.distances(prepared, PICTURES), COUNT), expected, **FLOAT32_ROUNDING)
    assert joined(measure.distances(prepared, TARGETS), COUNT) == [0.0] * COUNT


def test_squeeze_without_weights_says_where_to_name_them(monkeypatch):
    monkeypatch.delenv("OMG_ASSET_LPIPS_SQUEEZE", raising=False)
    with pytest.raises(ValueError, match="name their file in OMG_ASSET_LPIPS_SQUEEZE"):
        Lpips("squeeze")
