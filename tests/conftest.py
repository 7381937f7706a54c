"""Set-up that every test shares."""

import importlib.util
import os

# Before anything imports JAX: four CPU devices, so that data-parallel code runs as it does on four GPUs. A session on a
# GPU names its platform itself.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"

from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

from tests.meshes import Mesh, flame_like_mesh  # noqa: E402

# GPU images, where tests/gpu runs, may lack the checker of shapes and types.
CHECKED = importlib.util.find_spec("beartype") is not None
if CHECKED:  # before any test imports the package: its signatures are checked on every call
    install_import_hook("omg_jax", "beartype.beartype")


def pytest_configure(config):
    if CHECKED:  # about hints of our dependencies
        category = "beartype.roar.BeartypeDecorHintPep585DeprecationWarning"
        config.addinivalue_line("filterwarnings", f"ignore::{category}")


@pytest.fixture(scope="session")
def flame_like(tmp_path_factory) -> Path:
    """The built-in head as a file of FLAME's structure, with embeddings beside it; nothing of FLAME is in it."""
    from experiments.flame_like import write_flame_like  # after the hook above: it imports the package

    return write_flame_like(tmp_path_factory.mktemp("flame"))


@pytest.fixture(scope="session")
def flame_mesh() -> Mesh:
    """A mesh of FLAME's topology counts, head and two eyeballs; holds nothing of FLAME."""
    return flame_like_mesh()
