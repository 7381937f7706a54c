"""The refiner's modulated convolution, loaded as a released checkpoint is, against StyleGAN2's definition by torch's
grouped convolution (float64)."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.models import release_weights
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.models.style_unet import ModulatedConv
from omg_jax.models.torch_state import TorchState
from tests.parity.layer_inputs import INPUTS, OUTPUTS, STYLE, modulation
from tests.tolerances import FLOAT32_ROUNDING

REFERENCE = np.load(Path(__file__).parent / "layers_torch.npz")


@pytest.mark.parametrize(("name", "demodulate"), [("modulated", False), ("demodulated", True)])
def test_one_kernel_per_picture(monkeypatch, name, demodulate):
    monkeypatch.setattr(release_weights, "STYLE_WIDTH", STYLE)
    arrays = modulation()
    params = release_weights._modulated(TorchState(arrays), INPUTS, OUTPUTS, 3)
    graphdef, _, constants = split_shapes(
        lambda: ModulatedConv(INPUTS, OUTPUTS, 3, STYLE, demodulate=demodulate, rngs=nnx.Rngs(0))
    )
    conv = merge_model(graphdef, params, constants)
    ours = conv(jnp.asarray(arrays["features"]).transpose(0, 2, 3, 1), jnp.asarray(arrays["styles"]))
    np.testing.assert_allclose(ours, REFERENCE[name], **FLOAT32_ROUNDING)
