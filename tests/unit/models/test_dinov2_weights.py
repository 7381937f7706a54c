"""Reading DINOv2 weights under each source's names."""

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from omg_jax.models import dinov2_weights
from omg_jax.models.dinov2 import DinoConfig, DinoV2
from omg_jax.models.dinov2_weights import dinov2_params, load_dinov2
from omg_jax.models.state import split_model
from tests.parity.dinov2_state import random_state
from tests.tolerances import EXACT, FLOAT32_ROUNDING
from tests.unit.models.onnx_bytes import onnx_model

CONFIG = DinoConfig(width=8, depth=4, num_heads=2)
STATE = random_state(CONFIG.width, CONFIG.depth, seed=0)


def official_state() -> dict[str, np.ndarray]:
    """The same weights under the official names."""
    renamed = {
        "cls_token": STATE["embeddings.cls_token"],
        "mask_token": STATE["embeddings.mask_token"],
        "pos_embed": STATE["embeddings.position_embeddings"],
        "patch_embed.proj.weight": STATE["embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": STATE["embeddings.patch_embeddings.projection.bias"],
        "norm.weight": STATE["layernorm.weight"],
        "norm.bias": STATE["layernorm.bias"],
    }
    for k in range(CONFIG.depth):
        theirs, ours = f"blocks.{k}", f"encoder.layer.{k}"
        for kind in ("weight", "bias"):
            attention = [STATE[f"{ours}.attention.attention.{part}.{kind}"] for part in ("query", "key", "value")]
            renamed[f"{theirs}.attn.qkv.{kind}"] = np.concatenate(attention)
            renamed[f"{theirs}.attn.proj.{kind}"] = STATE[f"{ours}.attention.output.dense.{kind}"]
            for layer in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                renamed[f"{theirs}.{layer}.{kind}"] = STATE[f"{ours}.{layer}.{kind}"]
        renamed[f"{theirs}.ls1.gamma"] = STATE[f"{ours}.layer_scale1.lambda1"]
        renamed[f"{theirs}.ls2.gamma"] = STATE[f"{ours}.layer_scale2.lambda1"]
    return renamed


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


def test_official_names_give_the_same_params():
    assert_same(dinov2_params(official_state(), CONFIG), dinov2_params(STATE, CONFIG), EXACT)


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


def test_weights_of_another_network_are_refused(tmp_path):
    save_file(STATE, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="does not hold the weights of dinov2-small: .* expected"):
        load_dinov2("dinov2-small", tmp_path / "model.safetensors")
    lacking = {name: array for name, array in STATE.items() if name != "encoder.layer.2.norm1.bias"}
    with pytest.raises(ValueError, match="encoder.layer.2.norm1.bias is missing"):
        dinov2_params(lacking, CONFIG)


def test_unreadable_files_and_unknown_names_are_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("hello\n")
    with pytest.raises(ValueError, match="no readable safetensors file"):
        load_dinov2("dinov2-small", tmp_path / "text.safetensors")
    with pytest.raises(ValueError, match="no DINOv2 weights at"):
        load_dinov2("dinov2-small", tmp_path / "absent.safetensors")
    with pytest.raises(ValueError, match="no backbone 'resnet'"):
        load_dinov2("resnet", tmp_path / "text.safetensors")
