"""Loads a trained network with its head model and its frozen backbone."""

import dataclasses
import os
from importlib import resources
from pathlib import Path

from omg_jax.assets.registry import ASSETS, asset_path, environment_variable
from omg_jax.avatar import Network
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head
from omg_jax.models.dinov2_weights import load_dinov2
from omg_jax.models.omg import build_model
from omg_jax.models.precision import compute_dtype
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.models.weights import fits_head, load_weights, read_weights_meta, stored_backbone, weights_sha256
from omg_jax.tracking.reduce import check_trackable


def load_network(preset: str, weights: Path | None, head_spec: str, *, for_photos: bool = True) -> Network:
    """The network of a weights file (None: the one that ships with the preset), built with the options it names.

    for_photos: with the frozen backbone, which playing an avatar does not need, and with a head that can be tracked.
    ValueError where there is no such preset, or no weights, or they are another preset's or another head's.
    """
    named, head = load_preset(preset), load_head(head_spec)
    if for_photos:
        check_trackable(head)
    path = weights or shipped_weights(preset)
    meta = read_weights_meta(path)
    if meta.preset != preset:
        raise ValueError(f"{path} is of preset {meta.preset}, expected {preset}: give --preset {meta.preset}")
    if not fits_head(meta, head.name, head.sha256):
        raise ValueError(f"{path} was trained with head {meta.head_name}, expected {head_spec}: give it its own --head")
    config = dataclasses.replace(named, model=meta.model)
    dtype = compute_dtype(config.precision)
    graphdef, shapes, constants = split_shapes(lambda: build_model(config.model, head.model, seed=0, dtype=dtype))
    model = merge_model(graphdef, load_weights(path, shapes), constants)
    name = config.model.backbone
    stored = path if stored_backbone(path) else None
    backbone = load_dinov2(name, stored or backbone_path(name), dtype) if for_photos else None
    return Network(config, head, model, backbone, weights_sha256(path))


def backbone_path(name: str) -> Path:
    """The file of a frozen backbone: an asset, or the user's own, which OMG_ASSET_<NAME> gives; ValueError without."""
    if name in ASSETS:
        return asset_path(name)
    variable = environment_variable(name)
    if not os.environ.get(variable):
        raise ValueError(
            f"the backbone {name} is not fetched: get DINOv2's .pth or .safetensors file, run omg convert dinov2 FILE "
            f"-o {name}.safetensors, and give the result's path in {variable}"
        )
    return Path(os.environ[variable])


def shipped_weights(preset: str) -> Path:
    """The weights file that ships with a preset; ValueError where there is none."""
    path = Path(str(resources.files("omg_jax").joinpath("assets", f"{preset}.safetensors")))
    if not path.is_file():
        raise ValueError(f"no weights ship with preset {preset}: give --weights FILE, or run omg train {preset}")
    return path
