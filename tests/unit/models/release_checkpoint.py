"""The authors' checkpoint as tests need it: our parameters under the release's names and in torch's layout.

Written from the list of names and shapes alone, apart from the converter.
"""

import numpy as np

SEGMENT_MLPS = ("color", "opacity", "scale", "rotation")


def release_state(params: dict, backbone: dict) -> dict[str, np.ndarray]:
    """Every array that the release's network uses. params: of OMG with compat="release"; backbone: of DinoV2."""
    state = pyramid_state("base_dino_model.", params["pyramid"])
    state |= official_dinov2_state("base_dino_model.dino_model.", backbone)
    state |= transformer_state(params["transformer"])
    for k, segment in params["gaussian_heads"]["segments"].items():
        kernels, biases = (np.split(np.asarray(segment["first"][key]), 4, axis=-1) for key in ("kernel", "bias"))
        for i, name in enumerate(SEGMENT_MLPS):
            mlp = f"gs_head_generators.{k}.{name}_layers."
            state |= linear(f"{mlp}0", {"kernel": kernels[i], "bias": biases[i]})
            state |= linear(f"{mlp}2", segment["last"][i])
    state |= linear("gs_generator_offset.offset_layers.0", params["offset_head"]["mlp"]["first"])
    state |= linear("gs_generator_offset.offset_layers.2", params["offset_head"]["mlp"]["last"])
    hidden = params["plane_head"]["hidden"]
    for i, layer in hidden.items():
        state |= conv(f"gs_shoulder_generator.gaussian_conv.{2 * i}", layer)
    state |= pointwise(f"gs_shoulder_generator.gaussian_conv.{2 * len(hidden)}", params["plane_head"]["out"])
    return state | refiner_state(params["refiner"])


def unused_state(params: dict, make) -> dict[str, np.ndarray]:
    """What the release's network holds and never uses. make(*shape) gives an array."""
    width, channels = params["pyramid"]["out"]["bias"].shape[0], params["transformer"]["queries"].shape[-1]
    tokens = params["transformer"]["memory_projection"]["kernel"].shape[0]
    mlp = params["offset_head"]["mlp"]
    inputs, hidden = mlp["first"]["kernel"].shape
    state = {"base_dino_model.dino_model.mask_token": make(1, tokens)}
    for conv_name in ("conv1", "conv2"):
        name = f"base_dino_model.refinenet.0.resConfUnit1.{conv_name}"
        state |= {f"{name}.weight": make(width, width, 3, 3), f"{name}.bias": make(width)}
    for k in params["gaussian_heads"]["segments"]:
        name = f"gs_head_generators.{k}.offset_layers"
        state |= {f"{name}.0.weight": make(hidden, inputs), f"{name}.0.bias": make(hidden)}
        state |= {f"{name}.2.weight": make(3, hidden), f"{name}.2.bias": make(3)}
    for i, block in params["refiner"]["up"].items():
        channels = block["second"]["bias"].shape[0]
        state |= {f"upsampler.toRGB.{i}.weight": make(3, channels, 1, 1), f"upsampler.toRGB.{i}.bias": make(3)}
    for i in range(2 * len(params["refiner"]["levels"]) + 1):
        size = 2 ** (2 + (i + 1) // 2)
        state[f"upsampler.stylegan_decoder.noises.noise{i}"] = make(1, 1, size, size)
    return state


def foreign_state(make) -> dict[str, np.ndarray]:
    """Some of what the checkpoint holds besides its network."""
    return {
        "percep_loss.vgg.conv1_1.weight": make(4, 3, 3, 3),
        "flame_model.v_template": make(7, 3),
        "flame_model.shapedirs": make(7, 3, 4),
        "subdivider._subdivided_faces": make(8, 3),
    }


def linear(name: str, layer: dict) -> dict[str, np.ndarray]:
    return {f"{name}.weight": np.asarray(layer["kernel"]).T, f"{name}.bias": np.asarray(layer["bias"])}


def pointwise(name: str, layer: dict) -> dict[str, np.ndarray]:
    return {f"{name}.weight": np.asarray(layer["kernel"]).T[:, :, None, None], f"{name}.bias": layer["bias"]}


def conv(name: str, layer: dict) -> dict[str, np.ndarray]:
    state = {f"{name}.weight": np.asarray(layer["kernel"]).transpose(3, 2, 0, 1)}
    return state | ({f"{name}.bias": layer["bias"]} if "bias" in layer else {})


def norm(name: str, layer: dict) -> dict[str, np.ndarray]:
    return {f"{name}.weight": layer["scale"], f"{name}.bias": layer["bias"]}


def transposed_conv(name: str, layer: dict) -> dict[str, np.ndarray]:
    return {f"{name}.weight": np.asarray(layer["kernel"]).transpose(0, 3, 1, 2), f"{name}.bias": layer["bias"]}


def pyramid_state(prefix: str, params: dict) -> dict[str, np.ndarray]:
    state = transposed_conv(f"{prefix}resize_layers.0", params["enlarge4"])
    state |= transposed_conv(f"{prefix}resize_layers.1", params["enlarge2"])
    state |= conv(f"{prefix}resize_layers.3", params["shrink2"])
    state |= conv(f"{prefix}output_conv", params["out"])
    for i in range(4):
        state |= pointwise(f"{prefix}projects.{i}", params["projections"][i])
        state |= conv(f"{prefix}layer_rn.{i}", params["joins"][i])
        block, fusion = f"{prefix}refinenet.{i}", params["fusions"][3 - i]
        state |= pointwise(f"{block}.out_conv", fusion["out"])
        for theirs, ours in (("resConfUnit1", "skip_unit"), ("resConfUnit2", "unit")):
            for layer in fusion.get(ours, ()):
                state |= conv(f"{block}.{theirs}.{layer}", fusion[ours][layer])
    return state


def official_dinov2_state(prefix: str, params: dict) -> dict[str, np.ndarray]:
    width = params["class_token"].shape[0]
    positions = np.concatenate([params["class_position"][None], params["patch_positions"].reshape(-1, width)])
    kernel = np.asarray(params["patch_embedding"]["kernel"]).reshape(14, 14, 3, width)
    state = {
        "cls_token": params["class_token"][None, None],
        "pos_embed": positions[None],
        "patch_embed.proj.weight": kernel.transpose(3, 2, 0, 1),
        "patch_embed.proj.bias": params["patch_embedding"]["bias"],
    } | norm("norm", params["norm"])
    if "register_tokens" in params:
        state["register_tokens"] = params["register_tokens"][None]
    for i, block in params["blocks"].items():
        name = f"blocks.{i}"
        state |= norm(f"{name}.norm1", block["attention_norm"]) | norm(f"{name}.norm2", block["mlp_norm"])
        state |= linear(f"{name}.attn.qkv", block["attention"]["qkv"])
        state |= linear(f"{name}.attn.proj", block["attention"]["projection"])
        state |= linear(f"{name}.mlp.fc1", block["mlp"]["expand"])
        state |= linear(f"{name}.mlp.fc2", block["mlp"]["contract"])
        state |= {f"{name}.ls1.gamma": block["attention_scale"], f"{name}.ls2.gamma": block["mlp_scale"]}
    return {prefix + name: array for name, array in state.items()}


def transformer_state(params: dict) -> dict[str, np.ndarray]:
    state = {"head_base": params["queries"]}
    state |= linear("transformer.input_projection", params["query_projection"])
    state |= linear("transformer.memory_projection", params["memory_projection"])
    for i, layer in params["layers"].items():
        name = f"transformer.decoder.layers.{i}"
        for theirs, ours in (("self_attn", "self_attention"), ("multihead_attn", "cross_attention")):
            parts = [layer[ours][part] for part in ("query", "key", "value")]
            state[f"{name}.{theirs}.in_proj_weight"] = np.concatenate([np.asarray(part["kernel"]).T for part in parts])
            state[f"{name}.{theirs}.in_proj_bias"] = np.concatenate([part["bias"] for part in parts])
            state |= linear(f"{name}.{theirs}.out_proj", layer[ours]["out"])
        state |= linear(f"{name}.linear1", layer["expand"]) | linear(f"{name}.linear2", layer["contract"])
        for k, ours in enumerate(("self_norm", "cross_norm", "feed_forward_norm")):
            state |= norm(f"{name}.norm{k + 1}", layer[ours])
    return state


def refiner_state(params: dict) -> dict[str, np.ndarray]:
    def block(name: str, layers: dict) -> dict[str, np.ndarray]:
        pairs = (("conv1", "first"), ("conv2", "second"), ("skip", "skip"))
        return {key: array for theirs, ours in pairs for key, array in conv(f"{name}.{theirs}", layers[ours]).items()}

    # A linear layer over a map that torch flattens with the channels first.
    to_style, style = params["to_style"], params["to_style"]["bias"].shape[0]
    kernel = np.asarray(to_style["kernel"]).reshape(4, 4, -1, style).transpose(2, 0, 1, 3).reshape(-1, style)
    state = conv("conv_body_first", params["first"]) | conv("final_conv", params["bottom"])
    state |= linear("final_linear", {"kernel": kernel, "bias": to_style["bias"]})
    for i in params["down"]:
        state |= block(f"conv_body_down.{i}", params["down"][i]) | block(f"conv_body_up.{i}", params["up"][i])
        for theirs, ours in (("condition_scale", "scales"), ("condition_shift", "shifts")):
            state |= conv(f"{theirs}.{i}.0", params[ours][i]["first"])
            state |= conv(f"{theirs}.{i}.2", params[ours][i]["second"])
    decoder = {"constant_input.weight": np.asarray(params["constant"]).transpose(2, 0, 1)[None]}
    for i, layer in params["style_mlp"].items():
        decoder |= linear(f"style_mlp.{2 * i + 1}", layer)
    decoder |= styled("style_conv1", params["start"]) | styled("to_rgb1", params["start_rgb"])
    for i, level in params["levels"].items():
        decoder |= styled(f"style_convs.{2 * i}", level["first"]) | styled(f"style_convs.{2 * i + 1}", level["second"])
        decoder |= styled(f"to_rgbs.{i}", level["to_rgb"])
    state |= {f"stylegan_decoder.{name}": array for name, array in decoder.items()}
    return {f"upsampler.{name}": array for name, array in state.items()}


def styled(name: str, layer: dict) -> dict[str, np.ndarray]:
    """A modulated convolution with its bias, and the gain of its noise where it has one."""
    state = {
        f"{name}.modulated_conv.weight": np.asarray(layer["conv"]["kernel"]).transpose(3, 2, 0, 1)[None],
        f"{name}.bias": np.asarray(layer["bias"]).reshape(1, -1, 1, 1),
    } | linear(f"{name}.modulated_conv.modulation", layer["conv"]["modulation"])
    return state | ({f"{name}.weight": np.asarray(layer["noise_gain"]).reshape(1)} if "noise_gain" in layer else {})
