"""Bilinear resizing against torch's interpolate (float64): antialiased, with aligned corners, by two and by a half."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.models.resize import resize_aligned, resize_image
from omg_jax.models.style_unet import double, halve
from tests.parity.layer_inputs import ALIGNED, ANTIALIASED, every, picture
from tests.tolerances import RESIZE_PARITY

REFERENCE = np.load(Path(__file__).parent / "layers_torch.npz")


def assert_equal(ours, name: str) -> None:
    kept = np.asarray(ours)[:, every(ours.shape[1])][:, :, every(ours.shape[2])]
    np.testing.assert_allclose(kept, REFERENCE[name], **RESIZE_PARITY)


@pytest.mark.parametrize("index", range(len(ANTIALIASED)), ids=str)
def test_antialiased(index):
    old, new = ANTIALIASED[index]
    assert_equal(resize_image(jnp.asarray(picture(*old)), new), f"antialiased_{index}")


@pytest.mark.parametrize("index", range(len(ALIGNED)), ids=str)
def test_aligned_corners(index):
    old, new = ALIGNED[index]
    assert_equal(resize_aligned(jnp.asarray(picture(*old)), new), f"aligned_{index}")


@pytest.mark.parametrize(("name", "resize"), [("doubled", double), ("halved", halve)])
def test_by_two_and_by_a_half(name, resize):
    assert_equal(resize(jnp.asarray(picture(20, 12))), name)
