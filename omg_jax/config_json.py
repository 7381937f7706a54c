"""A model's options as JSON: what a weights file says about the network that it belongs to."""

import dataclasses
import types
import typing
from typing import Any, Literal

from omg_jax.config import ModelConfig


def model_config_to_json(config: ModelConfig) -> dict[str, Any]:
    """The options as JSON values; tuples become lists."""

    def converted(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: converted(entry) for name, entry in value.items()}
        return list(value) if isinstance(value, tuple) else value

    return converted(dataclasses.asdict(config))


def model_config_from_json(fields: Any) -> ModelConfig:
    """The options that model_config_to_json wrote; those that were unknown when it did take their defaults.

    Raises:
        ValueError: an option that this version does not have, or a value of the wrong type.
    """
    return _parsed(ModelConfig, fields, "model")


def _parsed(wanted: Any, value: Any, name: str) -> Any:
    """value as the type that an option is annotated with."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is types.UnionType:  # a type, or None
        return None if value is None else _parsed(inner[0], value, name)
    if dataclasses.is_dataclass(wanted) and isinstance(value, dict):
        known = {field.name: field.type for field in dataclasses.fields(wanted)}
        unknown = sorted(value.keys() - known.keys())
        if unknown:
            raise ValueError(f"{name}.{unknown[0]} is no option of this version; it has {', '.join(known)}")
        return wanted(**{key: _parsed(known[key], entry, f"{name}.{key}") for key, entry in value.items()})
    if origin is Literal and value in inner:
        return value
    if origin is tuple and isinstance(value, list) and (inner[-1] is Ellipsis or len(value) == len(inner)):
        return tuple(_parsed(inner[0], entry, name) for entry in value)
    if wanted in (bool, int, str) and type(value) is wanted:
        return value
    if wanted is float and type(value) in (int, float):
        return float(value)
    raise ValueError(f"{name}: expected {getattr(wanted, '__name__', wanted)}, got {value!r}")
