"""The weights file: one safetensors file with a network's trainable arrays, and what they belong to.

An array's name is its path in the module tree, joined by dots. The header's metadata has one entry, ``omg-weights``: a
JSON object with the fields of WeightsMeta. The frozen backbone is not in it.
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
FORMAT_VERSION = 2


class WeightsMeta(NamedTuple):
    """What a weights file belongs to: its network's options, and the head model whose vertices its queries stand for.

    preset: the preset that the options started from; step: training steps that made the weights.
    """

    preset: str
    model: ModelConfig
    head_name: str
    head_sha256: str
    step: int
    format_version: int = FORMAT_VERSION


def save_weights(path: Path | str, params: dict, meta: WeightsMeta, *, dtype: np.dtype | type = np.float32) -> None:
    """Writes a weights file; it appears by rename. dtype float16 halves it: 11 bits are plenty for trained weights."""
    arrays = {name: np.asarray(array, dtype) for name, array in named_arrays(params).items()}
    fields = meta._asdict() | {"model": model_config_to_json(meta.model)}
    with replacing(Path(path)) as temporary:
        save_file(arrays, temporary, metadata={METADATA_KEY: json.dumps(fields)})


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
    """The arrays of a weights file as float32, in the structure of ``like`` (a network's params, or their shapes).

    ValueError where the file is not readable, or its names or shapes are not the network's.
    """
    read_weights_meta(path)
    wanted = named_arrays(like)
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
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


def weights_sha256(path: Path | str) -> str:
    """The SHA-256 of a weights file: what an avatar names as its maker."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def named_arrays(params: dict) -> dict[str, jax.Array | np.ndarray | jax.ShapeDtypeStruct]:
    """The arrays (or shapes) of a nested dict by their dotted paths."""
    return {dotted(key): array for key, array in flatten_dict(params).items()}


def dotted(key: tuple) -> str:
    """A path in the module tree as one name."""
    return ".".join(map(str, key))
