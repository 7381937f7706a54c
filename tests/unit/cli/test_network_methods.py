"""What a network is shown of an evaluation's pair."""

import numpy as np

from omg_jax.cli.network_methods import photo_of
from tests.unit.evaluation.portraits import astronaut_pair

GREY_LEVEL = 1.0 / 255.0  # below such a matte nothing of the photo is left


def test_a_photo_is_multiplied_by_its_matte_once():
    """A pair's photo already is, and a reconstructor does it to whatever photo it gets."""
    pair = astronaut_pair()
    image, matte, *_ = photo_of(pair, pair.source_image.shape[0])
    assert np.count_nonzero((pair.source_matte > 0.1) & (pair.source_matte < 0.9)) > 1000, "a soft edge"
    errors = np.abs(image * matte[..., None] - pair.source_image)
    assert errors[matte >= GREY_LEVEL].max() < GREY_LEVEL
