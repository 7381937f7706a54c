"""The weights file: one safetensors file with a network's trainable arrays, and what they belong to.

An array's name is its path in the module tree, joined by dots. The header's metadata has one entry, ``omg-weights``: a
JSON object with the fields of WeightsMeta. The file may also hold the frozen backbone, in arrays whose names begin with
``backbone.``. A backbone may have a file of its own, of the same names; its metadata's one entry, ``omg-backbone``, is
its name.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from omg_jax.config import ModelConfig
from omg_jax.config_json import model_config_from_json, model_config_to_json
from omg_jax.files import json_object, replacing

METADATA_KEY = "omg-weights"
BACKBONE_KEY = "omg-backbone"
FORMAT_VERSION = 2

_BACKBONE_PREFIX = "backbone."


class WeightsMeta(NamedTuple):
    """What a weights file belongs to: its network's options, and the head model whose vertices its queries stand for.

    preset: the preset that the options started from; step: training steps that made the weights. An empty head_sha256
    stands for any head of that name: the authors' release does not say which edition of FLAME it was trained with.
    """

    preset: str
    model: ModelConfig
    head_name: str
    head_sha256: str
    step: int
    format_version: int = FORMAT_VERSION


def save_weights(
    path: Path | str,
    params: dict,
    meta: WeightsMeta,
    *,
    backbone: dict | None = None,
    dtype: np.dtype | type = np.float32,
) -> None:
    """Writes a weights file; it appears by rename. dtype float16 halves it: 11 bits are plenty for trained weights.

    backbone: params of the frozen backbone that the options name, to go into the same file.
    """
    fields = meta._asdict() | {"model": model_config_to_json(meta.model)}
    arrays = named_arrays(params) | _backbone_arrays(backbone or {})
    _save(path, arrays, {METADATA_KEY: json.dumps(fields)}, dtype)


def save_backbone(path: Path | str, name: str, params: dict) -> None:
    """Writes the file of a frozen backbone alone; it appears by rename."""
    _save(path, _backbone_arrays(params), {BACKBONE_KEY: name}, np.float32)


def _backbone_arrays(params: dict) -> dict:
    return {_BACKBONE_PREFIX + name: array for name, array in named_arrays(params).items()}


def _save(path: Path | str, arrays: dict, metadata: dict[str, str], dtype: np.dtype | type) -> None:
    # In C order: safetensors writes an array's memory as it lies, whatever its strides.
    arrays = {name: np.asarray(array, dtype, order="C") for name, array in arrays.items()}
    with replacing(Path(path)) as temporary:
        save_file(arrays, temporary, metadata=metadata)


def read_weights_meta(path: Path | str) -> WeightsMeta:
    """What a weights file belongs to; ValueError where it is missing, cut short, or something else."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no weights file at {path}; name one that omg train wrote")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a readable weights file ({error}): it is cut short or of another kind"
        ) from error
    if METADATA_KEY not in metadata:
        raise ValueError(f"{path} is a safetensors file but holds no weights of ours; name one that omg train wrote")
    fields = json_object(metadata[METADATA_KEY])
    if fields.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has weights format version {fields.get('format_version')}, this program reads {FORMAT_VERSION}: "
            "train the weights again, or use the program that wrote them"
        )
    if fields.keys() != set(WeightsMeta._fields):
        odd = ", ".join(sorted(fields.keys() ^ set(WeightsMeta._fields)))
        raise ValueError(f"{path}: its metadata lacks entries or has unknown ones ({odd}); write the weights again")
    try:
        return WeightsMeta(**fields | {"model": model_config_from_json(fields["model"])})
    except ValueError as error:
        raise ValueError(f"{path} belongs to a network that this version cannot build: {error}") from error


def load_weights(path: Path | str, like: dict) -> dict:
    """The network's arrays of a weights file as float32, in the structure of ``like`` (its params, or their shapes).

    ValueError where the file is not readable, or its names or shapes are not the network's.
    """
    read_weights_meta(path)
    with safe_open(path, framework="numpy") as file:
        names = [name for name in file.keys() if not name.startswith(_BACKBONE_PREFIX)]  # noqa: SIM118 (no mapping)
        return _in_structure(path, {name: file.get_tensor(name) for name in names}, like)


def stored_backbone(path: Path | str) -> str | None:
    """The name of the backbone that a file of ours holds; None for one that holds none, and for any other file."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata, names = file.metadata() or {}, file.keys()
    except (SafetensorError, OSError):
        return None
    if METADATA_KEY in metadata and any(name.startswith(_BACKBONE_PREFIX) for name in names):
        return read_weights_meta(path).model.backbone
    return metadata.get(BACKBONE_KEY)


def load_backbone(path: Path | str, like: dict) -> dict:
    """The params of the backbone in a file of ours (see stored_backbone), as load_weights."""
    with safe_open(path, framework="numpy") as file:
        names = [name for name in file.keys() if name.startswith(_BACKBONE_PREFIX)]  # noqa: SIM118 (no mapping)
        arrays = {name.removeprefix(_BACKBONE_PREFIX): file.get_tensor(name) for name in names}
        return _in_structure(path, arrays, like)


def _in_structure(path: Path | str, arrays: dict[str, np.ndarray], like: dict) -> dict:
    """Arrays by their dotted paths as a nested dict of the structure and shapes of ``like``; else ValueError."""
    wanted = named_arrays(like)
    if arrays.keys() != wanted.keys():
        odd = sorted(arrays.keys() ^ wanted.keys())
        raise ValueError(f"{path} belongs to another network: {len(odd)} arrays differ, {odd[0]} among them")
    for name, array in arrays.items():
        if array.shape != wanted[name].shape:
            raise ValueError(
                f"{path} belongs to another network: {name} is {list(array.shape)}, expected {list(wanted[name].shape)}"
            )
    keys = {dotted(key): key for key in flatten_dict(like)}
    return unflatten_dict({keys[name]: jnp.asarray(array, jnp.float32) for name, array in arrays.items()})


def fits_head(meta: WeightsMeta, name: str, sha256: str) -> bool:
    """Whether weights were made for a head: see WeightsMeta."""
    return meta.head_sha256 == sha256 or (meta.head_sha256 == "" and meta.head_name == name)


def weights_sha256(path: Path | str) -> str:
    """The SHA-256 of a weights file: what an avatar names as its maker."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def named_arrays(params: dict) -> dict[str, jax.Array | np.ndarray | jax.ShapeDtypeStruct]:
    """The arrays (or shapes) of a nested dict by their dotted paths."""
    return {dotted(key): array for key, array in flatten_dict(params).items()}


def dotted(key: tuple) -> str:
    """A path in the module tree as one name."""
    return ".".join(map(str, key))
