"""The authors' released checkpoint -> a weights file of ours: the whole network, with ``compat="release"``.

The checkpoint's tensors stand under the names of the release's module tree. It also holds FLAME's arrays, whose licence
forbids passing them on, and frozen loss networks: those stay behind.
"""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omg_jax.config import ModelConfig
from omg_jax.models.dinov2 import CONFIGS
from omg_jax.models.dinov2_weights import official_params
from omg_jax.models.embedding import EMBEDDING_SIZE
from omg_jax.models.style_unet import LIGHT_WIDTHS, STYLE_LAYERS, STYLE_WIDTH
from omg_jax.models.torch_state import TorchState, read_state
from omg_jax.models.weights import WeightsMeta, save_weights

NUM_FLAME_VERTICES = 5023
RELEASE_CONFIG = ModelConfig(compat="release")

# What the release holds and its network never uses, by pattern.
UNUSED = {
    "offset MLPs of the attribute heads": "gs_head_generators.*.offset_layers.*",
    "skip unit of the coarsest fusion block": "base_dino_model.refinenet.0.resConfUnit1.*",
    "mask token of the backbone": "base_dino_model.dino_model.mask_token",
    "RGB layers of the refiner's encoder": "upsampler.toRGB.*",
    "fixed noise of the refiner": "upsampler.stylegan_decoder.noises.*",
}
# What is no part of the network and stays behind.
DROPPED = {
    "FLAME": "flame_model.*",
    "subdivided faces": "subdivider.*",
    "loss networks": "percep_loss.*",
}


class Group(NamedTuple):
    """How much of the checkpoint a pattern names."""

    arrays: int
    numbers: int


class Release(NamedTuple):
    """A checkpoint in our layout. unused, dropped: see UNUSED and DROPPED; extra: names that are known to neither."""

    params: dict
    backbone: dict
    unused: dict[str, Group]
    dropped: dict[str, Group]
    extra: list[str]


def convert_release(
    source: Path | str, output: Path | str, config: ModelConfig = RELEASE_CONFIG, num_vertices: int = NUM_FLAME_VERTICES
) -> Release:
    """Writes a released checkpoint as a weights file of the preset paper, its backbone inside, for any FLAME head.

    Raises:
        ValueError: the checkpoint is not readable, or lacks an array, or has one of another shape or not finite.
    """
    state = read_state(source)
    try:
        release = read_release(state, config, num_vertices)
    except ValueError as error:
        raise ValueError(f"{source} cannot be converted: {error}") from error
    meta = WeightsMeta(preset="paper", model=config, head_name="flame", head_sha256="", step=0)
    save_weights(output, release.params, meta, backbone=release.backbone)
    return release


def read_release(state: dict[str, np.ndarray], config: ModelConfig, num_vertices: int) -> Release:
    """The arrays of a released checkpoint in our layout.

    Args:
        state: arrays by the release's names, in torch's layout.
        config: the paper's options, or narrower ones for tests.
        num_vertices: of the head's mesh.

    Raises:
        ValueError: an array is missing, of another shape or not finite; the message names all of them.
    """
    arrays = TorchState(state)
    backbone = CONFIGS[config.backbone]
    params = {
        "pyramid": _pyramid(arrays.under("base_dino_model."), backbone.width, config),
        "transformer": _transformer(arrays, num_vertices, backbone.width, config),
        "gaussian_heads": _gaussian_heads(arrays.under("gs_head_generators."), config),
        "offset_head": {"mlp": _mlp(arrays.under("gs_generator_offset.offset_layers."), config, 3)},
        "plane_head": _plane_head(arrays.under("gs_shoulder_generator.gaussian_conv."), config),
        "refiner": _refiner(arrays.under("upsampler."), config.gaussians.num_channels),
    }
    dino = official_params(arrays.under("base_dino_model.dino_model."), backbone)
    arrays.check()
    rest = arrays.left()
    known = [*UNUSED.values(), *DROPPED.values()]
    return Release(
        params=params,
        backbone=dino,
        unused={what: _count(state, rest, pattern) for what, pattern in UNUSED.items()},
        dropped={what: _count(state, rest, pattern) for what, pattern in DROPPED.items()},
        extra=[name for name in rest if not any(fnmatch(name, pattern) for pattern in known)],
    )


def _count(state: dict[str, np.ndarray], names: Iterable[str], pattern: str) -> Group:
    sizes = [state[name].size for name in names if fnmatch(name, pattern)]
    return Group(len(sizes), sum(sizes))


def _pyramid(arrays: TorchState, tokens: int, config: ModelConfig) -> dict:
    channels, width = config.pyramid_channels, config.width
    return {
        "projections": {i: arrays.pointwise(f"projects.{i}", tokens, c) for i, c in enumerate(channels)},
        "enlarge4": arrays.upsample("resize_layers.0", channels[0], 4),
        "enlarge2": arrays.upsample("resize_layers.1", channels[1], 2),
        "shrink2": arrays.conv("resize_layers.3", channels[3], channels[3], 3),
        "joins": {i: arrays.conv(f"layer_rn.{i}", c + 3, width, 3, bias=False) for i, c in enumerate(channels)},
        # The release counts its fusion blocks from the coarsest.
        "fusions": {i: _fusion(arrays.under(f"refinenet.{3 - i}."), width, has_skip=i < 3) for i in range(4)},
        "out": arrays.conv("output_conv", width, width, 3),
    }


def _fusion(arrays: TorchState, width: int, *, has_skip: bool) -> dict:
    def unit(name: str) -> dict:
        return {conv: arrays.conv(f"{name}.{conv}", width, width, 3) for conv in ("conv1", "conv2")}

    block = {"unit": unit("resConfUnit2"), "out": arrays.pointwise("out_conv", width, width)}
    return block | ({"skip_unit": unit("resConfUnit1")} if has_skip else {})


def _transformer(arrays: TorchState, num_vertices: int, tokens: int, config: ModelConfig) -> dict:
    width, hidden, inner = config.width, config.transformer.hidden, arrays.under("transformer.")
    layers = [inner.under(f"decoder.layers.{i}.") for i in range(config.transformer.num_layers)]
    return {
        "queries": arrays.array("head_base", (num_vertices, width)),
        "query_projection": inner.linear("input_projection", width, width),
        "memory_projection": inner.linear("memory_projection", tokens, width),
        "layers": {
            i: {
                "self_attention": _attention(layer.under("self_attn."), width),
                "self_norm": layer.norm("norm1", width),
                "cross_attention": _attention(layer.under("multihead_attn."), width),
                "cross_norm": layer.norm("norm2", width),
                "expand": layer.linear("linear1", width, hidden),
                "contract": layer.linear("linear2", hidden, width),
                "feed_forward_norm": layer.norm("norm3", width),
            }
            for i, layer in enumerate(layers)
        },
    }


def _attention(arrays: TorchState, width: int) -> dict:
    """The rows of the packed projection are those of queries, keys and values."""
    kernels = np.split(arrays.array("in_proj_weight", (3 * width, width)), 3)
    biases = np.split(arrays.array("in_proj_bias", (3 * width,)), 3)
    parts = zip(("query", "key", "value"), kernels, biases, strict=True)
    packed = {part: {"kernel": kernel.T, "bias": bias} for part, kernel, bias in parts}
    return packed | {"out": arrays.linear("out_proj", width, width)}


def _gaussian_heads(arrays: TorchState, config: ModelConfig) -> dict:
    return {"segments": {k: _segment(arrays.under(f"{k}."), config) for k in range(config.num_levels + 1)}}


def _segment(arrays: TorchState, config: ModelConfig) -> dict:
    """The first layers of a segment's MLPs stand side by side in one matrix here."""
    outputs = {"color": config.gaussians.num_channels, "opacity": 1, "scale": 3, "rotation": 4}
    mlps = [_mlp(arrays.under(f"{name}_layers."), config, size) for name, size in outputs.items()]
    return {
        "first": {key: np.concatenate([mlp["first"][key] for mlp in mlps], axis=-1) for key in ("kernel", "bias")},
        "last": {i: mlp["last"] for i, mlp in enumerate(mlps)},
    }


def _mlp(arrays: TorchState, config: ModelConfig, outputs: int) -> dict:
    hidden = config.gaussians.hidden
    return {
        "first": arrays.linear("0", config.width + EMBEDDING_SIZE, hidden),
        "last": arrays.linear("2", hidden, outputs),
    }


def _plane_head(arrays: TorchState, config: ModelConfig) -> dict:
    count, hidden = config.plane.num_hidden, config.plane.hidden
    inputs = (config.width + EMBEDDING_SIZE, *[hidden] * (count - 1))
    return {
        "hidden": {i: arrays.conv(f"{2 * i}", size, hidden, 3) for i, size in enumerate(inputs)},
        "out": arrays.pointwise(f"{2 * count}", hidden, config.gaussians.num_channels + 9),
    }


def _refiner(arrays: TorchState, inputs: int) -> dict:
    widths, decoder = LIGHT_WIDTHS, arrays.under("stylegan_decoder.")
    climbs = list(zip(widths[:-1], widths[1:], strict=True))  # (coarser, finer), coarsest first

    def block(name: str, inputs: int, outputs: int) -> dict:
        return {
            "first": arrays.conv(f"{name}.conv1", inputs, inputs, 3),
            "second": arrays.conv(f"{name}.conv2", inputs, outputs, 3),
            "skip": arrays.conv(f"{name}.skip", inputs, outputs, 1, bias=False),
        }

    def condition(name: str, width: int) -> dict:
        return {
            "first": arrays.conv(f"{name}.0", width, width, 3),
            "second": arrays.conv(f"{name}.2", width, 2 * width, 3),
        }

    def level(i: int, inputs: int, outputs: int) -> dict:
        return {
            "first": _style_conv(decoder.under(f"style_convs.{2 * i}."), inputs, outputs),
            "second": _style_conv(decoder.under(f"style_convs.{2 * i + 1}."), outputs, outputs),
            "to_rgb": _to_rgb(decoder.under(f"to_rgbs.{i}."), outputs),
        }

    return {
        "first": arrays.conv("conv_body_first", inputs, widths[-1], 1),
        "down": {i: block(f"conv_body_down.{i}", fine, coarse) for i, (coarse, fine) in enumerate(reversed(climbs))},
        "bottom": arrays.conv("final_conv", widths[0], widths[0], 3),
        "to_style": _flattened_linear(arrays, "final_linear", widths[0], 4, STYLE_WIDTH),
        "up": {i: block(f"conv_body_up.{i}", coarse, fine) for i, (coarse, fine) in enumerate(climbs)},
        "scales": {i: condition(f"condition_scale.{i}", width) for i, width in enumerate(widths[1:])},
        "shifts": {i: condition(f"condition_shift.{i}", width) for i, width in enumerate(widths[1:])},
        # Between the linear layers stand activations; before them, at 0, the normalisation.
        "style_mlp": {
            i: decoder.linear(f"style_mlp.{2 * i + 1}", STYLE_WIDTH, STYLE_WIDTH) for i in range(STYLE_LAYERS)
        },
        "constant": decoder.array("constant_input.weight", (1, 2 * widths[0], 4, 4))[0].transpose(1, 2, 0),
        "start": _style_conv(decoder.under("style_conv1."), 2 * widths[0], 2 * widths[0]),
        "start_rgb": _to_rgb(decoder.under("to_rgb1."), 2 * widths[0]),
        "levels": {i: level(i, 2 * coarse, 2 * fine) for i, (coarse, fine) in enumerate(climbs)},
    }


def _flattened_linear(arrays: TorchState, name: str, channels: int, size: int, outputs: int) -> dict:
    """A linear layer over a flattened map: torch flattens (channel, row, column), we (row, column, channel)."""
    layer = arrays.linear(name, channels * size * size, outputs)
    kernel = layer["kernel"].reshape(channels, size, size, outputs).transpose(1, 2, 0, 3)
    return layer | {"kernel": kernel.reshape(-1, outputs)}


def _modulated(arrays: TorchState, inputs: int, outputs: int, size: int) -> dict:
    """(1, out, in, height, width) -> (height, width, in, out), and the layer that scales the inputs."""
    kernel = arrays.array("modulated_conv.weight", (1, outputs, inputs, size, size))[0].transpose(2, 3, 1, 0)
    return {"kernel": kernel, "modulation": arrays.linear("modulated_conv.modulation", STYLE_WIDTH, inputs)}


def _style_conv(arrays: TorchState, inputs: int, outputs: int) -> dict:
    return {
        "conv": _modulated(arrays, inputs, outputs, 3),
        "noise_gain": arrays.vector("weight", 1)[0],
        "bias": arrays.vector("bias", outputs),
    }


def _to_rgb(arrays: TorchState, inputs: int) -> dict:
    return {"conv": _modulated(arrays, inputs, 3, 1), "bias": arrays.vector("bias", 3)}
