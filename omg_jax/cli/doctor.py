"""``omg doctor``: what is installed, which kernels load, which device, which weights."""

import importlib.metadata
import os
import platform
import sys
from importlib import resources

import jax

import omg_jax
from omg_jax import native
from omg_jax.assets import cached_path, list_assets
from omg_jax.cli.console import report
from omg_jax.configs import preset_names

# pyproject.toml's dependencies, and jax's own compiled half; then all its extras but test.
REQUIRED = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "scikit-image", "pillow",
            "safetensors", "tyro", "rich", "jaxtyping")  # fmt: skip
OPTIONAL = ("ai-edge-litert", "opencv-python-headless", "imageio", "imageio-ffmpeg", "tensorflow-datasets",
            "array_record", "importlib_resources", "simplejpeg", "tensorboardX", "lmdb")  # fmt: skip
SHIPPED = ("arkit_head.npz", "small.safetensors", "demo_motion.npz")


def doctor(json: bool = False) -> None:
    """What is installed, which kernels load, which device, which weights.

    The exit code is 2 where something is missing that everything needs.

    Args:
        json: Print one JSON object.
    """
    kernels = native_kernels()
    shipped = {name: resources.files("omg_jax").joinpath("assets", name).is_file() for name in SHIPPED}
    problems = [f"{name} is not installed" for name in REQUIRED if version(name) is None]
    problems += [kernels["error"]] if "error" in kernels else []
    problems += [f"the package lacks assets/{name}" for name, there in shipped.items() if not there]
    result = {
        "omg_jax": omg_jax.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "packages": {name: version(name) for name in (*REQUIRED, *OPTIONAL)},
        "devices": [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()],
        "native_kernels": kernels,
        "presets": preset_names(),
        "shipped_files": shipped,
        "cached_assets": {asset.name: cached_path(asset.name) is not None for asset in list_assets()},
        "problems": problems,
    }
    report(result, as_json=json)
    if problems:
        sys.exit(2)


def version(package: str) -> str | None:
    """An installed package's version, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def native_kernels() -> dict:
    """The native library's SIMD level, GPU architectures and kernels by platform, or why it does not load."""
    try:
        library = native.load()
    except ImportError as error:
        return {"error": str(error)}
    kernels = {platform: sorted(handlers) for platform, handlers in library.handlers().items()}
    built_for = library.cuda_architectures or "built without CUDA: no nvcc was found, or OMG_CUDA=0"
    return {"simd_level": library.simd_level(), "cuda_architectures": built_for, **kernels}
