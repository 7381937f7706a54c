"""The authors' checkpoint: every array finds its place, and what does not fit is named."""

import jax
import numpy as np
import pytest
from flax import nnx

from omg_jax.config import GaussianConfig, ModelConfig, PlaneConfig, TransformerConfig
from omg_jax.head.load import load_head
from omg_jax.models import dinov2, release_weights
from omg_jax.models.dinov2 import DinoConfig, DinoV2
from omg_jax.models.omg import build_model
from omg_jax.models.release_weights import RELEASE_CONFIG, Group, convert_release, read_release
from omg_jax.models.state import split_shapes
from omg_jax.models.torch_state import TorchState
from omg_jax.models.weights import load_backbone, load_weights, named_arrays, read_weights_meta, stored_backbone
from tests.heads import made_up_head
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.models.release_checkpoint import foreign_state, release_state, unused_state
from tests.unit.models.torch_layers import applied, normal
from tests.unit.models.torch_zip import write_torch

NARROW = ModelConfig(
    backbone="dinov2-small",
    backbone_size=70,
    width=16,
    pyramid_channels=(6, 8, 10, 12),
    transformer=TransformerConfig(num_heads=2, hidden=24),
    gaussians=GaussianConfig(num_channels=8, hidden=9),
    plane=PlaneConfig(hidden=11),
    compat="release",
)
NARROW_DINO = DinoConfig(width=8, depth=4, num_heads=2)


def zeros(*shape: int) -> np.ndarray:
    """An array of this shape that takes no memory."""
    return np.broadcast_to(np.float32(0), shape)


def shapes(params: dict) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in named_arrays(params).items()}


def backbone_shapes(config: DinoConfig) -> dict:
    return nnx.to_pure_dict(nnx.state(nnx.eval_shape(lambda: DinoV2(config, nnx.Rngs(0)))))


@pytest.fixture(autouse=True)
def narrow_backbone(monkeypatch):
    """The name dinov2-small for a network of a few thousand parameters."""
    monkeypatch.setitem(dinov2.CONFIGS, "dinov2-small", NARROW_DINO)


@pytest.fixture(scope="module")
def narrow():
    """(params, backbone) of a narrow network, random, on the built-in head."""
    head = load_head("arkit").model
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(dinov2.CONFIGS, "dinov2-small", NARROW_DINO)
        _, like, _ = split_shapes(lambda: build_model(NARROW, head, seed=0))
    rng = np.random.default_rng(0)
    made = [
        jax.tree.map(lambda array: rng.normal(0.0, 0.1, array.shape).astype(np.float32), tree)
        for tree in (like, backbone_shapes(NARROW_DINO))
    ]
    return tuple(made)


@pytest.fixture(scope="module")
def state(narrow):
    """The same under the release's names, with all that the release holds besides."""
    return release_state(*narrow) | unused_state(narrow[0], zeros) | foreign_state(zeros)


@pytest.fixture(scope="module")
def full_size(flame_mesh):
    """Shapes of the paper's parameters, its backbone's, and the checkpoint that they make."""
    head = made_up_head(flame_mesh)
    _, params, _ = split_shapes(lambda: build_model(RELEASE_CONFIG, head, seed=0))
    params, backbone = (
        jax.tree.map(lambda array: zeros(*array.shape), tree)
        for tree in (params, backbone_shapes(dinov2.DINOV2_BASE))
    )
    return params, backbone, release_state(params, backbone) | unused_state(params, zeros)


def test_the_paper_s_network_has_a_place_for_every_array(full_size):
    params, backbone, state = full_size
    release = read_release(state, RELEASE_CONFIG, release_weights.NUM_FLAME_VERTICES)
    assert shapes(release.params) == shapes(params)
    assert shapes(release.backbone) == shapes(backbone)
    assert release.extra == []


def test_conversion_restores_every_bit(tmp_path, narrow, state):
    order = np.random.default_rng(1).permutation(list(state)).tolist()
    options = {"MODEL": {"DIM": 16}, "TRAIN": ["x", 1.5, None]}
    source = write_torch(tmp_path / "ckpt.pt", {"model": {name: state[name] for name in order}, "meta_cfg": options})
    output = tmp_path / "weights.safetensors"
    num_vertices = narrow[0]["transformer"]["queries"].shape[0]
    release = convert_release(source, output, NARROW, num_vertices)
    jax.tree.map(np.testing.assert_array_equal, load_weights(output, like=narrow[0]), narrow[0])
    jax.tree.map(np.testing.assert_array_equal, load_backbone(output, like=narrow[1]), narrow[1])
    meta = read_weights_meta(output)
    assert (meta.preset, meta.model, meta.head_name, meta.head_sha256) == ("paper", NARROW, "flame", "")
    assert stored_backbone(output) == "dinov2-small"
    assert release.extra == []


def test_what_is_left_out_is_counted(narrow, state):
    release = read_release(state | {"optimizer.lr": zeros(1)}, NARROW, len(state["head_base"]))
    unused = unused_state(narrow[0], zeros)
    assert sum(group.arrays for group in release.unused.values()) == len(unused)
    assert sum(group.numbers for group in release.unused.values()) == sum(array.size for array in unused.values())
    assert release.dropped["FLAME"] == Group(2, 7 * 3 + 7 * 3 * 4)
    assert release.extra == ["optimizer.lr"]


def test_nothing_of_flame_or_the_loss_networks_is_written(tmp_path, state):
    marked = state | {name: np.full(array.shape, 7.25) for name, array in foreign_state(zeros).items()}
    release = read_release(marked, NARROW, len(state["head_base"]))
    assert not any(np.any(array == 7.25) for array in jax.tree.leaves((release.params, release.backbone)))


def test_missing_and_misshapen_arrays_are_refused_by_name(tmp_path, state):
    broken = {name: array for name, array in state.items() if name != "upsampler.final_conv.bias"}
    broken["gs_head_generators.2.color_layers.0.weight"] = zeros(3, 3)
    broken["base_dino_model.dino_model.norm.weight"] = zeros(3)
    with pytest.raises(ValueError) as refusal:
        read_release(broken, NARROW, len(state["head_base"]))
    message = str(refusal.value)
    assert "1 missing: upsampler.final_conv.bias" in message
    assert "gs_head_generators.2.color_layers.0.weight [3, 3], expected [9, 43]" in message
    assert "base_dino_model.dino_model.norm.weight [3], expected [8]" in message
    path = write_torch(tmp_path / "other.pt", {"model": {"x": normal(3)}})
    with pytest.raises(ValueError, match=r"other\.pt cannot be converted: .* missing: .* more"):
        convert_release(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_the_style_s_layer_reads_channels_first():
    state = {"f.weight": normal(5, 3 * 4 * 4), "f.bias": normal(5)}
    x = normal(3, 4, 4)
    layer = release_weights._flattened_linear(TorchState(state), "f", 3, 4, 5)
    ours = applied(nnx.Linear(48, 5, rngs=nnx.Rngs(0)), layer, x.transpose(1, 2, 0).reshape(1, -1))[0]
    np.testing.assert_allclose(ours, state["f.weight"] @ x.reshape(-1) + state["f.bias"], **FLOAT32_ROUNDING)
