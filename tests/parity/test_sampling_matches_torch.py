"""Bilinear sampling against torch's grid_sample (float64), in the paper's convention and in the release's."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.config import Differences
from omg_jax.models.sampling import VisibilityFusion, sample_bilinear
from omg_jax.types import Camera
from tests.parity.layer_inputs import SAMPLED_MAP, picture, places
from tests.tolerances import FLOAT32_ROUNDING

REFERENCE = np.load(Path(__file__).parent / "layers_torch.npz")


def test_pixel_centres_are_grid_sample_without_aligned_corners():
    ours = sample_bilinear(jnp.asarray(picture(*SAMPLED_MAP)), jnp.asarray(places()))
    np.testing.assert_allclose(ours, REFERENCE["at_centres"], **FLOAT32_ROUNDING)


@pytest.mark.parametrize(("shift", "name"), [(False, "at_centres"), (True, "at_corners")])
def test_fusion_samples_as_the_paper_or_as_the_release(shift, name):
    """Vertices that project to the given pixels: a camera of focal length one looks at a plane one unit away."""
    local_map, pixels = jnp.asarray(picture(*SAMPLED_MAP)), jnp.asarray(places())
    camera = Camera(jnp.eye(4)[None], jnp.eye(3)[None])
    vertices = jnp.concatenate([pixels, jnp.ones_like(pixels[..., :1])], axis=-1)
    fusion = VisibilityFusion(SAMPLED_MAP[0], 0.02, Differences(half_pixel_shift=shift))
    nothing, visible = jnp.zeros((*pixels.shape[:2], 3)), jnp.ones(pixels.shape[:2], bool)
    np.testing.assert_allclose(
        fusion(nothing, local_map, vertices, visible, camera), REFERENCE[name], **FLOAT32_ROUNDING
    )
