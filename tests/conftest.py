"""Set-up that every test shares."""

import os

# Before anything imports JAX: four CPU devices, so that data-parallel code runs as it does on four GPUs. A session on a
# GPU names its platform itself.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"

import pytest  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

from tests.meshes import Mesh, flame_like_mesh  # noqa: E402

# Before any test imports the package: shapes and types in its signatures are checked on every call.
install_import_hook("omg_jax", "beartype.beartype")


@pytest.fixture(scope="session")
def flame_mesh() -> Mesh:
    """A mesh of FLAME's topology counts, head and two eyeballs; holds nothing of FLAME."""
    return flame_like_mesh()
