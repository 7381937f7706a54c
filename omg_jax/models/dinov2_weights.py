"""Reads DINOv2 weights into our module tree: Hugging Face or official names, or the ONNX export of the ViT-S/14.

Every source becomes one dict of arrays under Hugging Face's names and in torch's layout (linear kernels as (out, in),
convolutions as (out, in, height, width)); one function turns that into our parameters.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors import SafetensorError
from safetensors.numpy import load_file

from omg_jax.models.dinov2 import DINOV2_BASE, DINOV2_LARGE, DINOV2_SMALL, GRID_SIZE, DinoConfig, DinoV2
from omg_jax.models.onnx_file import read_onnx

CONFIGS = {
    "dinov2-s-derived": DINOV2_SMALL,
    "dinov2-small": DINOV2_SMALL,
    "dinov2-base": DINOV2_BASE,
    "dinov2-large": DINOV2_LARGE,
}

# Official names within a block -> Hugging Face's; qkv is split besides.
_OFFICIAL_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.output.dense",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_OFFICIAL_TOP = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
# The export folded the position embedding into two constants; these nodes take them as their first inputs.
_ONNX_CLASS_POSITION_NODE = "/backbone/embeddings/Concat_6"
_ONNX_PATCH_POSITIONS_NODE = "/backbone/embeddings/Reshape_1"


def load_dinov2(name: str, path: Path | str, dtype: jnp.dtype | type = jnp.float32) -> DinoV2:
    """The backbone of that name with the weights of a file, computing in dtype.

    Args:
        name: one of CONFIGS.
        path: dinov2-s-derived's .onnx, or a .safetensors file under Hugging Face's or the official names.

    Raises:
        ValueError: the name is unknown, or the file is missing, damaged or of another network.
    """
    if name not in CONFIGS:
        raise ValueError(f"there is no backbone {name!r}; the known ones are {', '.join(CONFIGS)}")
    config, path = CONFIGS[name], Path(path)
    state = read_onnx_state(path) if path.suffix == ".onnx" else _read_safetensors(path)
    try:
        params = dinov2_params(state, config)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} does not hold the weights of {name}: {error}") from error
    graphdef, abstract = nnx.split(nnx.eval_shape(lambda: DinoV2(config, nnx.Rngs(0), dtype)))
    nnx.replace_by_pure_dict(abstract, params)
    return nnx.merge(graphdef, abstract)


def dinov2_params(state: dict[str, np.ndarray], config: DinoConfig) -> dict:
    """DinoV2's parameters as a pure dict, from arrays under Hugging Face's or the official names.

    Raises:
        ValueError: an array is missing or of another size.
    """
    arrays = from_official_names(state) if "pos_embed" in state else state
    arrays = {name.removeprefix("dinov2."): np.asarray(array, np.float32) for name, array in arrays.items()}
    taken = _Taker(arrays, config.width)
    positions = taken("embeddings.position_embeddings", (1, GRID_SIZE**2 + 1, config.width))
    kernel = taken("embeddings.patch_embeddings.projection.weight", (config.width, 3, 14, 14))
    return {
        "class_token": taken("embeddings.cls_token", (1, 1, config.width))[0, 0],
        "class_position": positions[0, 0],
        "patch_positions": positions[0, 1:].reshape(GRID_SIZE, GRID_SIZE, config.width),
        "patch_embedding": {
            "kernel": kernel.transpose(2, 3, 1, 0).reshape(-1, config.width),
            "bias": taken("embeddings.patch_embeddings.projection.bias", (config.width,)),
        },
        "blocks": {index: _block_params(taken, f"encoder.layer.{index}", config) for index in range(config.depth)},
        "norm": taken.norm("layernorm"),
    }


def _block_params(taken: "_Taker", block: str, config: DinoConfig) -> dict:
    width = config.width
    parts = [taken.linear(f"{block}.attention.attention.{part}", width, width) for part in ("query", "key", "value")]
    qkv = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in ("kernel", "bias")}
    return {
        "attention_norm": taken.norm(f"{block}.norm1"),
        "attention": {"qkv": qkv, "projection": taken.linear(f"{block}.attention.output.dense", width, width)},
        "attention_scale": taken(f"{block}.layer_scale1.lambda1", (width,)),
        "mlp_norm": taken.norm(f"{block}.norm2"),
        "mlp": {
            "expand": taken.linear(f"{block}.mlp.fc1", width, 4 * width),
            "contract": taken.linear(f"{block}.mlp.fc2", 4 * width, width),
        },
        "mlp_scale": taken(f"{block}.layer_scale2.lambda1", (width,)),
    }


class _Taker:
    """Takes arrays by name, checks their shapes, and turns layers from torch's layout into ours."""

    def __init__(self, arrays: dict[str, np.ndarray], width: int):
        self.arrays, self.width = arrays, width

    def __call__(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in self.arrays:
            raise ValueError(f"the array {name} is missing")
        if self.arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {self.arrays[name].shape}, expected {shape}")
        return self.arrays[name]

    def linear(self, name: str, inputs: int, outputs: int) -> dict:
        return {"kernel": self(f"{name}.weight", (outputs, inputs)).T, "bias": self(f"{name}.bias", (outputs,))}

    def norm(self, name: str) -> dict:
        return {"scale": self(f"{name}.weight", (self.width,)), "bias": self(f"{name}.bias", (self.width,))}


def from_official_names(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of an official DINOv2 file under Hugging Face's names; mask_token, which has no use, is left out."""
    renamed = {ours: state[theirs] for theirs, ours in _OFFICIAL_TOP.items() if theirs in state}
    for name, array in state.items():
        if not name.startswith("blocks."):
            continue
        _, index, rest = name.split(".", 2)
        block = f"encoder.layer.{index}"
        if rest.startswith("attn.qkv."):
            parts = np.split(np.asarray(array), 3)
            for part, values in zip(("query", "key", "value"), parts, strict=True):
                renamed[f"{block}.attention.attention.{part}.{rest.removeprefix('attn.qkv.')}"] = values
        elif rest in _OFFICIAL_BLOCK:
            renamed[f"{block}.{_OFFICIAL_BLOCK[rest]}"] = array
        elif rest.rpartition(".")[0] in _OFFICIAL_BLOCK:
            layer, _, kind = rest.rpartition(".")
            renamed[f"{block}.{_OFFICIAL_BLOCK[layer]}.{kind}"] = array
    return renamed


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


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"no DINOv2 weights at {path}; name a .safetensors or .onnx file")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no readable safetensors file ({error}); is it complete?") from error
