"""Reading DINOv2 weights under each source's names."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from omg_jax.models import dinov2_weights
from omg_jax.models.dinov2 import DinoConfig, DinoV2
from omg_jax.models.dinov2_weights import convert_dinov2, dinov2_params, find_dinov2, load_dinov2
from omg_jax.models.state import split_model
from omg_jax.models.weights import save_backbone
from tests.parity.dinov2_state import random_state
from tests.tolerances import EXACT, FLOAT32_ROUNDING
from tests.unit.models.onnx_bytes import onnx_model
from tests.unit.models.release_checkpoint import official_dinov2_state
from tests.unit.models.torch_zip import write_torch

CONFIG = DinoConfig(width=8, depth=4, num_heads=2)
STATE = random_state(CONFIG.width, CONFIG.depth, seed=0)


def hugging_face_state(official: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays under the official names by Hugging Face's; queries, keys and values apart."""
    pairs = [
        ("blocks.", "encoder.layer."), ("norm.weight", "layernorm.weight"), ("norm.bias", "layernorm.bias"),
        ("cls_token", "embeddings.cls_token"), ("mask_token", "embeddings.mask_token"),
        ("pos_embed", "embeddings.position_embeddings"), ("register_tokens", "embeddings.register_tokens"),
        ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ]  # fmt: skip
    inner = [(".attn.proj", ".attention.output.dense"), (".ls1.gamma", ".layer_scale1.lambda1")]
    inner += [(".ls2.gamma", ".layer_scale2.lambda1")]
    state = {}
    for name, array in official.items():
        theirs, ours = next(pair for pair in pairs if name.startswith(pair[0]))
        name = ours + name.removeprefix(theirs)
        for old, new in inner:
            name = name.replace(old, new)
        if ".attn.qkv" not in name:
            state[name] = array
            continue
        for part, rows in zip(("query", "key", "value"), np.split(array, 3), strict=True):
            state[name.replace(".attn.qkv", f".attention.attention.{part}")] = rows
    return state


def exported_onnx() -> bytes:
    """The same weights as the ONNX export stores them: kernels nameless and transposed, positions in two constants."""
    tensors, nodes = {}, {}
    for name, array in STATE.items():
        layer = name.removesuffix(".weight")
        if name.startswith("encoder") and name.endswith("weight") and array.ndim == 2:
            tensors[f"onnx::MatMul_{len(tensors)}"] = array.T
            nodes["/backbone/" + onnx_scope(layer) + "/MatMul"] = ["activations", list(tensors)[-1]]
        elif name == "embeddings.position_embeddings":
            tensors |= {"onnx::Concat_1": array[:, :1], "onnx::Reshape_2": array[:, 1:]}
        elif "mask_token" not in name:
            tensors[f"backbone.{name}"] = array
    nodes["/backbone/embeddings/Concat_6"] = ["onnx::Concat_1", "resized"]
    nodes["/backbone/embeddings/Reshape_1"] = ["onnx::Reshape_2", "shape"]
    return onnx_model(tensors, nodes)


def onnx_scope(layer: str) -> str:
    """encoder.layer.3.mlp.fc1 -> encoder/layer.3/mlp/fc1, as exporters write a module's path."""
    return layer.replace(".", "/").replace("layer/", "layer.")


def assert_same(ours: dict, wanted: dict, tolerance: dict) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), ours, wanted)


def test_params_have_the_module_s_structure():
    _, params, _ = split_model(nnx.eval_shape(lambda: DinoV2(CONFIG, nnx.Rngs(0))))
    ours = dinov2_params(STATE, CONFIG)
    assert jax.tree.map(np.shape, ours) == jax.tree.map(lambda leaf: leaf.shape, params)


def test_the_onnx_export_gives_the_same_params(tmp_path):
    path = tmp_path / "export.onnx"
    path.write_bytes(exported_onnx())
    ours = dinov2_params(dinov2_weights.read_onnx_state(path), CONFIG)
    assert_same(ours, dinov2_params(STATE, CONFIG), EXACT)


def test_a_loaded_backbone_holds_the_file_s_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(dinov2_weights.CONFIGS, "dinov2-small", CONFIG)
    save_file(STATE, tmp_path / "model.safetensors")
    model = load_dinov2("dinov2-small", tmp_path / "model.safetensors")
    wanted = STATE["encoder.layer.1.mlp.fc1.bias"]
    np.testing.assert_allclose(model.blocks[1].mlp.expand.bias[...], wanted, **FLOAT32_ROUNDING)


@pytest.fixture(params=[0, 2], ids=["plain", "registers"])
def published(request, monkeypatch):
    """The one published network, its name, and its params; with and without registers."""
    config = dataclasses.replace(CONFIG, num_registers=request.param)
    name = "dinov2-small-reg" if request.param else "dinov2-small"
    monkeypatch.setitem(dinov2_weights.CONFIGS, name, config)
    rng = np.random.default_rng(5)
    like = nnx.to_pure_dict(nnx.state(nnx.eval_shape(lambda: DinoV2(config, nnx.Rngs(0)))))
    return name, jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), like)


@pytest.mark.parametrize("prefix", ["", "dinov2."])
@pytest.mark.parametrize("kind", ["official", "hugging face"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_converted_backbone_is_the_source_s_to_the_bit(tmp_path, published, prefix, kind, suffix):
    name, params = published
    state = official_dinov2_state("", params)
    state = state if kind == "official" else hugging_face_state(state)
    state = {prefix + key: np.array(state[key], order="C") for key in reversed(state)}
    source, output = tmp_path / f"source{suffix}", tmp_path / "converted.safetensors"
    write_torch(source, state) if suffix == ".pth" else save_file(state, source)
    assert convert_dinov2(source, output).name == name
    for path in (source, output):
        model = load_dinov2(name, path)
        assert_same(nnx.to_pure_dict(nnx.state(model)), params, EXACT)


def test_a_classifier_beside_the_backbone_is_left_out_and_told(published):
    name, params = published
    state = official_dinov2_state("dinov2.", params) | {"classifier.weight": np.zeros((2, 8))}
    found = find_dinov2(state | {"dinov2.mask_token": np.zeros((1, 8))})
    assert (found.name, found.left_out) == (name, ["classifier.weight"])


def test_a_backbone_that_is_not_exactly_a_published_one_is_refused(published):
    state = official_dinov2_state("", published[1])
    with pytest.raises(ValueError, match=r"1 that are no part of this network: blocks\.1\.attn\.q_norm\.weight"):
        find_dinov2(state | {"blocks.1.attn.q_norm.weight": np.zeros(4)})
    broken = {name: array for name, array in state.items() if name != "blocks.2.norm1.weight"}
    broken["blocks.0.attn.qkv.weight"] = np.zeros((23, 8))
    with pytest.raises(ValueError, match=r"1 missing: blocks\.2\.norm1\.weight; .*qkv\.weight \[23, 8\], expected"):
        find_dinov2(broken)
    giant = official_dinov2_state("", published[1]) | {"pos_embed": np.zeros((1, 1370, 1536))}
    with pytest.raises(ValueError, match=r"\(1536, 4, \d\), expected one of .*dinov2-large \(1024, 24, 0\)"):
        find_dinov2(giant)
    with pytest.raises(ValueError, match="neither an array pos_embed nor"):
        find_dinov2({"x": np.zeros(3)})


def test_registers_are_not_dropped_without_a_word(tmp_path):
    state = random_state(CONFIG.width, CONFIG.depth, seed=0, num_registers=4)
    with pytest.raises(ValueError, match="no part of this network: embeddings.register_tokens"):
        dinov2_params(state, CONFIG)


def test_a_converted_backbone_keeps_its_name(tmp_path):
    save_backbone(tmp_path / "a.safetensors", "dinov2-large", dinov2_params(STATE, CONFIG))
    with pytest.raises(ValueError, match="holds the backbone dinov2-large, expected dinov2-base"):
        load_dinov2("dinov2-base", tmp_path / "a.safetensors")


def test_files_of_one_shape_are_not_taken_for_each_other(tmp_path, monkeypatch):
    for name in ("dinov2-small", "dinov2-s-derived"):
        monkeypatch.setitem(dinov2_weights.CONFIGS, name, CONFIG)
    save_file(STATE, tmp_path / "model.safetensors")
    (tmp_path / "model.onnx").write_bytes(exported_onnx())
    with pytest.raises(ValueError, match=r"model\.safetensors is not dinov2-s-derived"):
        load_dinov2("dinov2-s-derived", tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.onnx is not dinov2-small"):
        load_dinov2("dinov2-small", tmp_path / "model.onnx")
    assert load_dinov2("dinov2-s-derived", tmp_path / "model.onnx").norm.bias.shape == (CONFIG.width,)


@pytest.mark.parametrize("name", sorted(set(dinov2_weights.CONFIGS) - {"dinov2-s-derived"}))
def test_every_published_network_is_told_by_its_shapes(name):
    like = nnx.to_pure_dict(nnx.state(nnx.eval_shape(lambda: DinoV2(dinov2_weights.CONFIGS[name], nnx.Rngs(0)))))
    empty = jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), like)
    found = find_dinov2(official_dinov2_state("", empty))
    assert found.name == name
    assert jax.tree.map(np.shape, found.params) == jax.tree.map(np.shape, empty)


def test_weights_of_another_network_are_refused(tmp_path):
    save_file(STATE, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="does not hold the weights of dinov2-small: .* expected"):
        load_dinov2("dinov2-small", tmp_path / "model.safetensors")
    lacking = {name: array for name, array in STATE.items() if name != "encoder.layer.2.norm1.bias"}
    with pytest.raises(ValueError, match="missing: encoder.layer.2.norm1.bias"):
        dinov2_params(lacking, CONFIG)


def test_unreadable_files_and_unknown_names_are_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("hello\n")
    with pytest.raises(ValueError, match="no readable safetensors file"):
        load_dinov2("dinov2-small", tmp_path / "text.safetensors")
    with pytest.raises(ValueError, match="no weights at"):
        load_dinov2("dinov2-small", tmp_path / "absent.safetensors")
    with pytest.raises(ValueError, match="no backbone 'resnet'"):
        load_dinov2("resnet", tmp_path / "text.safetensors")
