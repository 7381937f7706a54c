"""The weights file: what goes in comes out, in the network's own structure; foreign files are refused."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from omg_jax.config import ModelConfig
from omg_jax.models.state import split_model
from omg_jax.models.weights import WeightsMeta, load_weights, read_weights_meta, save_weights, weights_sha256

META = WeightsMeta(preset="small", model=ModelConfig(width=32), head_name="arkit", head_sha256="a" * 64, step=7)


class Network(nnx.Module):
    """A list of layers: its path in the module tree holds an index, not only names."""

    def __init__(self, width: int, seed: int):
        rngs = nnx.Rngs(seed)
        self.layers = nnx.List([nnx.Linear(3, width, rngs=rngs), nnx.Linear(width, 2, rngs=rngs)])


def params(seed: int, width: int = 4) -> dict:
    return split_model(Network(width, seed))[1]


def test_round_trip_restores_structure_and_values(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, params(0), META)
    loaded = load_weights(path, like=params(1))
    assert jax.tree.structure(loaded) == jax.tree.structure(params(1))
    jax.tree.map(np.testing.assert_array_equal, loaded, params(0))
    assert read_weights_meta(path) == META


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path):
    save_weights(tmp_path / "full.safetensors", params(0, width=512), META)
    save_weights(tmp_path / "half.safetensors", params(0, width=512), META, dtype=np.float16)
    full, half = (len((tmp_path / f"{name}.safetensors").read_bytes()) for name in ("full", "half"))
    assert half < 0.6 * full
    loaded = load_weights(tmp_path / "half.safetensors", like=params(1, width=512))
    rounded = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float16), jnp.float32), params(0, width=512))
    jax.tree.map(np.testing.assert_array_equal, loaded, rounded)


def test_the_same_weights_have_the_same_sha256(tmp_path):
    for name in ("one", "two"):
        save_weights(tmp_path / name, params(0), META)
    assert weights_sha256(tmp_path / "one") == weights_sha256(tmp_path / "two")
    save_weights(tmp_path / "two", params(1), META)
    assert weights_sha256(tmp_path / "one") != weights_sha256(tmp_path / "two")


def test_weights_of_another_shape_are_refused(tmp_path):
    save_weights(tmp_path / "weights", params(0, width=4), META)
    with pytest.raises(ValueError, match="another network.*layers"):
        load_weights(tmp_path / "weights", like=params(0, width=5))


def test_weights_with_other_names_are_refused(tmp_path):
    save_weights(tmp_path / "weights", {"other": params(0)}, META)
    with pytest.raises(ValueError, match="another network"):
        load_weights(tmp_path / "weights", like=params(0))


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "weights"
    save_weights(path, params(0), META)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="cut short"):
        read_weights_meta(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="no weights file"):
        read_weights_meta(tmp_path / "weights")


@pytest.mark.parametrize("text", ["[1]", "not JSON", "{}", json.dumps({"format_version": 2, "step": 3})])
def test_metadata_that_are_not_ours_are_refused(tmp_path, text):
    save_file({"x": np.zeros(3)}, tmp_path / "weights", metadata={"omg-weights": text})
    with pytest.raises(ValueError, match="version None|lacks entries"):
        read_weights_meta(tmp_path / "weights")


def test_options_of_another_version_are_named(tmp_path):
    fields = META._asdict() | {"model": {"depth": 3}}
    save_file({"x": np.zeros(3)}, tmp_path / "weights", metadata={"omg-weights": json.dumps(fields)})
    with pytest.raises(ValueError, match="cannot build: model.depth"):
        read_weights_meta(tmp_path / "weights")
