"""The portrait matte, on a real photo (the net comes through the assets registry) and its filters."""

import numpy as np
import pytest
from skimage import data

from omg_jax.tracking.matte import PortraitMatte, guided_filter, keep_largest_island, smooth_step
from tests.tolerances import FLOAT32_ROUNDING, INSIDE_MATTE, MATTE_EDGE


def test_the_person_is_in_and_the_background_is_out():
    matte = PortraitMatte()(data.astronaut())
    assert matte.shape == (512, 512) and matte.dtype == np.float32
    assert matte[90:170, 195:255].min() > INSIDE_MATTE, "the face"
    assert matte[:100, 330:430].max() == 0.0, "the wall beside the head"
    assert 0.3 < matte.mean() < 0.8


def test_edges_move_onto_the_pictures_edges():
    """A blurred matte whose edge is two pixels off the picture's edge."""
    guide = np.zeros((96, 96), np.float32)
    guide[:, 48:] = 1.0
    matte = np.clip((np.arange(96, dtype=np.float32) - 40) / 12, 0, 1)[None].repeat(96, axis=0)
    refined = smooth_step(guided_filter(guide, matte), 0.4, 0.95)
    assert np.abs(refined - guide).mean() < 0.6 * np.abs(matte - guide).mean()
    flat = guided_filter(np.full_like(guide, 0.3), np.full_like(guide, 0.7))
    np.testing.assert_allclose(flat, 0.7, **FLOAT32_ROUNDING)


def test_only_the_largest_piece_stays():
    matte = np.zeros((40, 40), np.float32)
    matte[5:25, 5:25] = 0.8
    matte[30:34, 30:34] = 1.0
    kept = keep_largest_island(matte)
    assert kept[30:34, 30:34].max() == 0.0
    np.testing.assert_array_equal(kept[:28, :28], matte[:28, :28])
    assert keep_largest_island(np.zeros_like(matte)).max() == 0.0


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.0), (0.4, 0.0), (0.675, 0.5), (0.95, 1.0), (1.0, 1.0)])
def test_smooth_step(value, expected):
    np.testing.assert_allclose(smooth_step(np.array([value]), 0.4, 0.95), expected, **MATTE_EDGE)
