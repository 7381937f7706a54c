"""`omg bench`: how long the rasterizer takes on this machine."""

import functools
import time
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table
from tyro.conf import Positional

from omg_jax import native
from omg_jax.cli.console import print_table, report
from omg_jax.splat import rasterize
from omg_jax.types import Camera, Gaussians

IMAGE_SIZE = 512
NUM_GAUSSIANS = (5_000, 29_000, 89_000)
NUM_CHANNELS = (3, 32)
QUEUED = 50  # calls that a GPU is given at once: it waits for no Python between them


def bench(what: Positional[Literal["rasterizer"]], json: bool = False, repeats: int = 7) -> None:
    """Times the rasterizer, forward and backward: a head of 5K, 29K and 89K Gaussians with 3 and 32 channels.

    On a CPU, process-CPU milliseconds of one call; on a GPU, wall milliseconds of a call among many queued ones.

    Args:
        what: rasterizer is all there is yet.
        json: Print one JSON object instead of a table.
        repeats: Runs per measurement; the fastest counts.
    """
    result = measure(repeats)
    if json:
        report(result, as_json=True)
        return
    times = [name for name in result["rows"][0] if name.endswith("_ms")]
    title = f"{result['device']}, {IMAGE_SIZE}x{IMAGE_SIZE}"
    table = Table("Gaussians", "channels", *(name.replace("_", " ") for name in times), title=title)
    for row in result["rows"]:
        table.add_row(str(row["num_gaussians"]), str(row["num_channels"]), *(f"{row[name]:.3g}" for name in times))
    print_table(table)


def measure(repeats: int) -> dict[str, Any]:
    """The whole benchmark, as what `--json` prints."""
    rows = [measure_rasterizer(n, c, repeats) for n in NUM_GAUSSIANS for c in NUM_CHANNELS]
    library, device = native.load(), jax.devices()[0]
    built_for = {"simd_level": library.simd_level(), "cuda_architectures": library.cuda_architectures}
    return {**built_for, "device": device.device_kind, "image_size": IMAGE_SIZE, "rows": rows}


def measure_rasterizer(num_gaussians: int, num_channels: int, repeats: int) -> dict[str, float]:
    """One row of the benchmark: milliseconds of either pass, the least of some runs; ``bench`` tells of which clock.

    The backward pass includes the projection and the tile lists, which it makes again. On a GPU it is also timed with
    float sums (``deterministic=False``).
    """
    gaussians, camera = head_ellipsoid(num_gaussians, num_channels)
    render = jax.jit(functools.partial(rasterize, camera=camera, image_size=(IMAGE_SIZE, IMAGE_SIZE)))
    backward = jax.jit(lambda pull_back, cotangents: pull_back(cotangents))
    output, pull_back = jax.vjp(render, gaussians)
    cotangents = jax.tree.map(_random_cotangent, output)
    row = {
        "num_gaussians": num_gaussians,
        "num_channels": num_channels,
        "num_instances": int(output.stats.num_instances),
    }
    if jax.default_backend() == "cpu":
        row["forward_cpu_ms"] = least_cpu_ms(lambda: render(gaussians), repeats)
        row["backward_cpu_ms"] = least_cpu_ms(lambda: backward(pull_back, cotangents), repeats)
        return row
    floats = functools.partial(rasterize, camera=camera, image_size=(IMAGE_SIZE, IMAGE_SIZE), deterministic=False)
    pull_back_floats = jax.vjp(jax.jit(floats), gaussians)[1]
    row["forward_ms"] = least_queued_ms(lambda: render(gaussians), repeats)
    row["backward_ms"] = least_queued_ms(lambda: backward(pull_back, cotangents), repeats)
    row["backward_float_sums_ms"] = least_queued_ms(lambda: backward(pull_back_floats, cotangents), repeats)
    return row


def head_ellipsoid(num_gaussians: int, num_channels: int) -> tuple[Gaussians, Camera]:
    """Gaussians on an ellipsoid as large as a head, as wide as their spacing, seen through the portrait camera."""
    rng = np.random.default_rng(0)
    index = np.arange(num_gaussians) + 0.5
    height, angle = 1 - 2 * index / num_gaussians, index * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    radii = np.asarray([0.48, 0.68, 0.58])
    means = radii * np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], axis=-1)
    spacing = np.sqrt(4 * np.pi * np.mean(radii**2) / num_gaussians)
    quats = rng.normal(size=(num_gaussians, 4))
    world_to_camera = np.diag([1.0, -1.0, -1.0, 1.0])
    world_to_camera[2, 3] = 10.0
    focal = 12 * IMAGE_SIZE / 2
    intrinsics = [[focal, 0, IMAGE_SIZE / 2], [0, focal, IMAGE_SIZE / 2], [0, 0, 1]]
    gaussians = Gaussians(
        means=jnp.asarray(means, jnp.float32),
        quats=jnp.asarray(quats / np.linalg.norm(quats, axis=-1, keepdims=True), jnp.float32),
        scales=jnp.full((num_gaussians, 3), spacing, jnp.float32),
        opacities=jnp.asarray(rng.uniform(0.5, 1.0, num_gaussians), jnp.float32),
        features=jnp.asarray(rng.uniform(size=(num_gaussians, num_channels)), jnp.float32),
    )
    return gaussians, Camera(jnp.asarray(world_to_camera, jnp.float32), jnp.asarray(intrinsics, jnp.float32))


def _random_cotangent(array: jax.Array):
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return np.zeros(array.shape, jax.dtypes.float0)
    return jax.random.normal(jax.random.key(array.size), array.shape, array.dtype)


def least_cpu_ms(run: Callable[[], object], repeats: int) -> float:
    """Process-CPU milliseconds (all threads) of a call, the least of some."""
    jax.block_until_ready(run())
    least = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(run())
        least = min(least, time.process_time() - start)
    return 1e3 * least


def least_queued_ms(run: Callable[[], object], repeats: int) -> float:
    """Wall milliseconds of a call among QUEUED that wait for each other on the device only, the least of some."""
    jax.block_until_ready(run())
    least = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        results = [run() for _ in range(QUEUED)]
        jax.block_until_ready(results[-1])
        least = min(least, time.perf_counter() - start)
    return 1e3 * least / QUEUED
