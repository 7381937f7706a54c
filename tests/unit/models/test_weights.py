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
from omg_jax.models.weights import (
    WeightsMeta,
    fits_head,
    load_backbone,
    load_weights,
    read_weights_meta,
    save_backbone,
    save_weights,
    stored_backbone,
    weights_sha256,
)

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


def test_memory_in_another_order_is_written_by_index(tmp_path):
    """A transposed array is a view; a writer that takes its memory as it lies would mix its numbers up."""
    kernel = np.arange(12, dtype=np.float32).reshape(3, 4)
    save_weights(tmp_path / "weights", {"kernel": kernel.T}, META)
    np.testing.assert_array_equal(load_weights(tmp_path / "weights", like={"kernel": kernel.T})["kernel"], kernel.T)


def test_a_file_may_hold_the_backbone_or_be_one(tmp_path):
    for name in ("one", "two"):
        save_weights(tmp_path / name, params(0), META, backbone=params(1))
    save_weights(tmp_path / "without", params(0), META)
    save_backbone(tmp_path / "alone", "dinov2-large", params(1))
    loaded = load_weights(tmp_path / "one", like=params(2))
    jax.tree.map(np.testing.assert_array_equal, loaded, params(0))
    for name, backbone in (("one", "dinov2-base"), ("alone", "dinov2-large")):
        assert stored_backbone(tmp_path / name) == backbone
        loaded = load_backbone(tmp_path / name, like=params(2))
        jax.tree.map(np.testing.assert_array_equal, loaded, params(1))
    assert stored_backbone(tmp_path / "without") is None
    assert weights_sha256(tmp_path / "one") == weights_sha256(tmp_path / "two")
    with pytest.raises(ValueError, match="another network"):
        load_backbone(tmp_path / "alone", like=params(2, width=5))


def test_weights_fit_the_head_that_they_were_made_with():
    assert fits_head(META, "arkit", "a" * 64)
    assert not fits_head(META, "arkit", "b" * 64)
    any_flame = META._replace(head_name="flame", head_sha256="")
    assert fits_head(any_flame, "flame", "b" * 64)
    assert not fits_head(any_flame, "arkit", "b" * 64)


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
