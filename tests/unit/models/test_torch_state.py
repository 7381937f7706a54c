"""Layers out of torch's layout: each does here what torch's definition says of the array as torch stores it."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from omg_jax.models.pyramid import PatchUpsample
from omg_jax.models.torch_state import TorchState, listed, read_state
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.models.torch_layers import applied, correlate, normal


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (1, 1)])
def test_a_convolution_is_torch_s(size, stride):
    state = {"c.weight": normal(5, 2, size, size), "c.bias": normal(5)}
    x, padding = normal(2, 7, 6), size // 2
    conv = nnx.Conv(2, 5, (size, size), strides=stride, padding=padding, rngs=nnx.Rngs(0))
    ours = applied(conv, TorchState(state).conv("c", 2, 5, size), x.transpose(1, 2, 0)[None])[0]
    wanted = correlate(x, state["c.weight"], stride, padding) + state["c.bias"][:, None, None]
    np.testing.assert_allclose(ours.transpose(2, 0, 1), wanted, **FLOAT32_ROUNDING)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_transposed_convolution_is_torch_s(factor):
    """out[o, factor*y + k, factor*x + l] = sum over i of in[i, y, x] * weight[i, o, k, l]."""
    state = {"c.weight": normal(3, 3, factor, factor), "c.bias": normal(3)}
    x = normal(3, 2, 5)
    wanted = np.zeros((3, 2 * factor, 5 * factor)) + state["c.bias"][:, None, None]
    for k in range(factor):
        for l in range(factor):  # noqa: E741
            wanted[:, k::factor, l::factor] += np.einsum("ihw,io->ohw", x, state["c.weight"][:, :, k, l])
    params = TorchState(state).upsample("c", 3, factor)
    ours = applied(PatchUpsample(3, factor, rngs=nnx.Rngs(0)), params, x.transpose(1, 2, 0)[None])[0]
    np.testing.assert_allclose(ours.transpose(2, 0, 1), wanted, **FLOAT32_ROUNDING)


def test_linear_layers_and_1x1_convolutions_are_torch_s():
    weight, bias, x = normal(5, 2), normal(5), normal(4, 2)
    for method, stored in (("linear", weight), ("pointwise", weight[:, :, None, None])):
        layer = getattr(TorchState({"c.weight": stored, "c.bias": bias}), method)("c", 2, 5)
        ours = applied(nnx.Linear(2, 5, rngs=nnx.Rngs(0)), layer, x)
        np.testing.assert_allclose(ours, x @ weight.T + bias, **FLOAT32_ROUNDING)


def test_a_vector_may_have_axes_of_length_one():
    state = TorchState({"a": normal(1, 3, 1, 1), "b": normal(1), "c": normal(3, 1, 2)})
    assert state.vector("a", 3).shape == (3,)
    assert state.vector("b", 1).shape == (1,)
    state.vector("c", 6)
    assert state.misshapen == ["c [3, 1, 2], expected [6]"]


def test_all_that_does_not_fit_is_named_at_once():
    state = TorchState({"a.x": normal(3), "a.y": normal(2, 2), "b": normal(1)})
    inner = state.under("a.")
    inner.array("x", (3,))
    inner.array("y", (4,))
    inner.array("z", (1,))
    with pytest.raises(ValueError, match=r"^1 missing: a\.z; 1 of another shape: a\.y \[2, 2\], expected \[4\]$"):
        state.check()
    assert state.left() == ["b"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(value):
    state = TorchState({"a.x": np.array([1.0, value], np.float32), "a.y": normal(2)})
    for name in ("x", "y"):
        state.under("a.").vector(name, 2)
    with pytest.raises(ValueError, match=r"^1 with NaN or infinity: a\.x$"):
        state.check()


def test_long_lists_of_names_are_cut():
    assert listed(["a", "b"]) == "a, b"
    assert listed(map(str, range(100))).endswith(", 6, 7 and 92 more")


def test_safetensors_are_read(tmp_path):
    arrays = {"x": normal(3), "half": np.ones(2).astype(jnp.bfloat16)}
    save_file(arrays, tmp_path / "a.safetensors")
    state = read_state(tmp_path / "a.safetensors")
    assert TorchState(state).array("half", (2,)).dtype == np.float32
    np.testing.assert_array_equal(state["x"], arrays["x"])
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-3])
    with pytest.raises(ValueError, match="is it complete"):
        read_state(tmp_path / "cut.safetensors")
