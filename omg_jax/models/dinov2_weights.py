"""Reads DINOv2 weights into our module tree: from a file of ours, from one under the official or Hugging Face's names,
or from the ONNX export of the ViT-S/14."""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from omg_jax.models.dinov2 import CONFIGS, GRID_SIZE, PATCH_SIZE, DinoConfig, DinoV2
from omg_jax.models.onnx_file import read_onnx
from omg_jax.models.torch_state import TorchState, listed, read_state
from omg_jax.models.weights import load_backbone, save_backbone, stored_backbone


class _Names(NamedTuple):
    """What a source calls the network's parts; {} is a block's index. qkv: one layer, or queries, keys and values."""

    class_token: str
    mask_token: str
    positions: str
    registers: str
    patches: str
    block: str
    qkv: tuple[str, ...]
    projection: str
    scales: tuple[str, str]
    norm: str


_OFFICIAL = _Names(
    class_token="cls_token",
    mask_token="mask_token",
    positions="pos_embed",
    registers="register_tokens",
    patches="patch_embed.proj",
    block="blocks.{}.",
    qkv=("attn.qkv",),
    projection="attn.proj",
    scales=("ls1.gamma", "ls2.gamma"),
    norm="norm",
)
_HUGGING_FACE = _Names(
    class_token="embeddings.cls_token",
    mask_token="embeddings.mask_token",
    positions="embeddings.position_embeddings",
    registers="embeddings.register_tokens",
    patches="embeddings.patch_embeddings.projection",
    block="encoder.layer.{}.",
    qkv=("attention.attention.query", "attention.attention.key", "attention.attention.value"),
    projection="attention.output.dense",
    scales=("layer_scale1.lambda1", "layer_scale2.lambda1"),
    norm="layernorm",
)
_ONNX_NAME = "dinov2-s-derived"  # the only network that comes as an ONNX export
_MOST_BLOCKS = 100  # that a file is searched for
# The export folded the position embedding into two constants; these nodes take them as their first inputs.
_ONNX_CLASS_POSITION_NODE = "/backbone/embeddings/Concat_6"
_ONNX_PATCH_POSITIONS_NODE = "/backbone/embeddings/Reshape_1"


class DinoFile(NamedTuple):
    """A network found among the arrays of a file.

    name: one of CONFIGS; left_out: names of arrays beside it, a classifier's, say. (The mask token, which only DINOv2's
    own training uses, is left out without a word.)
    """

    name: str
    params: dict
    left_out: list[str]


def load_dinov2(name: str, path: Path | str, dtype: jnp.dtype | type = jnp.float32) -> DinoV2:
    """The backbone of that name with the weights of a file, computing in dtype.

    Args:
        name: one of CONFIGS.
        path: a file of ours that holds a backbone; dinov2-s-derived's .onnx; else a .safetensors or .pth file under
            Hugging Face's or the official names.

    Raises:
        ValueError: the name is unknown, or the file is missing, damaged or of another network.
    """
    if name not in CONFIGS:
        raise ValueError(f"there is no backbone {name!r}; the known ones are {', '.join(CONFIGS)}")
    config, path = CONFIGS[name], Path(path)
    is_onnx = path.suffix == ".onnx"
    graphdef, abstract = nnx.split(nnx.eval_shape(lambda: DinoV2(config, nnx.Rngs(0), dtype)))
    stored = stored_backbone(path)
    if stored not in (None, name):
        raise ValueError(f"{path} holds the backbone {stored}, expected {name}")
    if not stored and is_onnx != (name == _ONNX_NAME):  # dinov2-small has the same shapes
        raise ValueError(f"{path} is not {name}: {_ONNX_NAME}, and it alone, comes as an .onnx file")
    if stored:
        params = load_backbone(path, nnx.to_pure_dict(abstract))
    else:
        state = read_onnx_state(path) if is_onnx else read_state(path)
        try:
            params = dinov2_params(state, config)
        except ValueError as error:
            raise ValueError(f"{path} does not hold the weights of {name}: {error}") from error
    nnx.replace_by_pure_dict(abstract, params)
    return nnx.merge(graphdef, abstract)


def convert_dinov2(source: Path | str, output: Path | str) -> DinoFile:
    """Writes the backbone in a .pth or .safetensors file as a file of ours, which load_dinov2 reads under its name.

    Raises:
        ValueError: the file is not readable, or does not hold one of the published networks exactly.
    """
    state = read_state(source)
    try:
        found = find_dinov2(state)
    except ValueError as error:
        raise ValueError(f"{source} cannot be converted: {error}") from error
    save_backbone(output, found.name, found.params)
    return found


def find_dinov2(state: dict[str, np.ndarray]) -> DinoFile:
    """The published network that a file's arrays make up, told by their shapes.

    Raises:
        ValueError: there is none, or arrays are missing, of other shapes, or unknown within it.
    """
    arrays, names = _named(state)
    sizes = _sizes(arrays, names)
    # The last, as dinov2-s-derived is a file of its own, of dinov2-small's sizes.
    name = next((name for name in reversed(CONFIGS) if _config_sizes(CONFIGS[name]) == sizes), None)
    if name is None:
        known = "; ".join(f"{name} {_config_sizes(config)}" for name, config in CONFIGS.items())
        raise ValueError(f"its width, depth and number of registers are {sizes}, expected one of {known}")
    return DinoFile(name, *_all_params(arrays, names, CONFIGS[name]))


def dinov2_params(state: dict[str, np.ndarray], config: DinoConfig) -> dict:
    """DinoV2's parameters as a pure dict, from arrays under the official or Hugging Face's names, prefixed or not.

    Raises:
        ValueError: an array is missing, of another shape, or unknown within the network.
    """
    return _all_params(*_named(state), config)[0]


def official_params(arrays: TorchState, config: DinoConfig) -> dict:
    """DinoV2's parameters from arrays under the official names; what does not fit is noted in ``arrays``."""
    return _params(arrays, _OFFICIAL, config)


def _named(state: dict[str, np.ndarray]) -> tuple[TorchState, _Names]:
    """The arrays behind whatever prefix they have (dinov2., say), and which names they are under."""
    for names in (_HUGGING_FACE, _OFFICIAL):
        for name in state:
            if name == names.positions or name.endswith(f".{names.positions}"):
                return TorchState(state, name.removesuffix(names.positions)), names
    raise ValueError(f"it has neither an array {_OFFICIAL.positions} nor {_HUGGING_FACE.positions}: no DINOv2")


def _sizes(arrays: TorchState, names: _Names) -> tuple[int, int, int]:
    """(width, depth, number of registers) by the arrays that there are."""
    shapes = {name.removeprefix(arrays.prefix): array.shape for name, array in arrays.arrays.items()}
    blocks = [k for k in range(_MOST_BLOCKS) if any(name.startswith(names.block.format(k)) for name in shapes)]
    registers = (*shapes.get(names.registers, ()), 0, 0)[1]
    return (0, *shapes[names.positions])[-1], max(blocks, default=-1) + 1, registers


def _config_sizes(config: DinoConfig) -> tuple[int, int, int]:
    return config.width, config.depth, config.num_registers


def _all_params(arrays: TorchState, names: _Names, config: DinoConfig) -> tuple[dict, list[str]]:
    """(params, names beside the network); ValueError where the network is not exactly the one of config."""
    params = _params(arrays, names, config)
    arrays.check()
    left = [name for name in arrays.left() if name != arrays.prefix + names.mask_token]
    inside = [name for name in left if name.startswith(arrays.prefix)]
    if inside:
        raise ValueError(f"{len(inside)} that are no part of this network: {listed(inside)}")
    return params, left


def _params(arrays: TorchState, names: _Names, config: DinoConfig) -> dict:
    width = config.width
    positions = arrays.array(names.positions, (1, GRID_SIZE**2 + 1, width))
    patches = arrays.conv(names.patches, 3, width, PATCH_SIZE)
    params = {
        "class_token": arrays.array(names.class_token, (1, 1, width))[0, 0],
        "class_position": positions[0, 0],
        "patch_positions": positions[0, 1:].reshape(GRID_SIZE, GRID_SIZE, width),
        "patch_embedding": patches | {"kernel": patches["kernel"].reshape(-1, width)},
        "blocks": {k: _block_params(arrays.under(names.block.format(k)), names, width) for k in range(config.depth)},
        "norm": arrays.norm(names.norm, width),
    }
    if config.num_registers:
        params["register_tokens"] = arrays.array(names.registers, (1, config.num_registers, width))[0]
    return params


def _block_params(block: TorchState, names: _Names, width: int) -> dict:
    parts = [block.linear(part, width, 3 * width // len(names.qkv)) for part in names.qkv]
    return {
        "attention_norm": block.norm("norm1", width),
        "attention": {
            "qkv": {name: np.concatenate([part[name] for part in parts], axis=-1) for name in ("kernel", "bias")},
            "projection": block.linear(names.projection, width, width),
        },
        "attention_scale": block.array(names.scales[0], (width,)),
        "mlp_norm": block.norm("norm2", width),
        "mlp": {
            "expand": block.linear("mlp.fc1", width, 4 * width),
            "contract": block.linear("mlp.fc2", 4 * width, width),
        },
        "mlp_scale": block.array(names.scales[1], (width,)),
    }


def read_onnx_state(path: Path | str) -> dict[str, np.ndarray]:
    """The backbone's arrays of the ONNX export (asset dinov2-s-derived) under Hugging Face's names, in torch's layout.

    Most initializers carry their names. Linear kernels do not: they are the second inputs of MatMul nodes, already
    transposed, and the nodes' names tell whose they are.

    Raises:
        ValueError: the file is no such export.
    """
    graph = read_onnx(path)
    stored = graph.initializers
    state = {name.removeprefix("backbone."): array for name, array in stored.items() if name.startswith("backbone.")}
    for node, inputs in graph.node_inputs.items():
        if node.startswith("/backbone/encoder/") and node.endswith("/MatMul") and inputs[1] in stored:
            layer = node.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            state[f"{layer}.weight"] = stored[inputs[1]].T
    try:
        halves = [stored[graph.node_inputs[n][0]] for n in (_ONNX_CLASS_POSITION_NODE, _ONNX_PATCH_POSITIONS_NODE)]
    except (KeyError, IndexError) as error:
        raise ValueError(f"{path} lacks the position embedding of a DINOv2 export: {error}") from error
    return state | {"embeddings.position_embeddings": np.concatenate(halves, axis=1)}
