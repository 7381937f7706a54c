"""Named presets: ``load_preset("small")``."""

import importlib
import pkgutil

from omg_jax.config import Config


def preset_names() -> list[str]:
    """Names of the presets in this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_preset(name: str) -> Config:
    """The preset of that name.

    Raises:
        ValueError: there is no such preset.
    """
    if name not in preset_names():
        raise ValueError(f"no preset named {name!r}; expected one of {', '.join(preset_names())}")
    return importlib.import_module(f"{__name__}.{name}").CONFIG
