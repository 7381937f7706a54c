"""These tests need an NVIDIA GPU that jax sees and a native library with CUDA kernels: ``make gpu-check``."""

import jax
import pytest

from omg_jax import native


def pytest_collection_modifyitems(items):
    reason = missing()
    if reason:
        for item in items:
            if "tests/gpu/" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=reason))


def missing() -> str | None:
    """What these tests lack on this machine."""
    try:
        jax.devices("gpu")
    except RuntimeError:
        return "jax finds no GPU"
    if native.load().cuda_architectures is None:
        return "the native library was built without CUDA kernels"
    return None


@pytest.fixture
def gpu():
    return jax.devices("gpu")[0]


@pytest.fixture
def cpu():
    return jax.devices("cpu")[0]
