"""What a picture must cost: the work that its Gaussians make, counted; bytes and operations; a device's roofline."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from omg_jax.splat.api import make_settings
from omg_jax.splat.reference import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE_SIZE, project
from omg_jax.types import Camera, Gaussians

BLOCK = (4, 8)  # rows and columns of the pixels that one warp blends
MAX_MASK_BYTES = 256 << 20  # of the GPU's tile mask; above it the picture is drawn in bands that share the memory


class Work(NamedTuple):
    """Counts of all views of a batch together.

    num_lanes: pixels of the 8x4 blocks in which a Gaussian reaches at least one; num_pairs: (pixel, Gaussian) pairs
    that blend. Both leave out what lies behind an opaque stack.
    """

    num_views: int
    num_gaussians: int
    num_channels: int
    num_pixels: int
    num_tiles: int
    num_lanes: int
    num_pairs: int


class Cost(NamedTuple):
    """Bytes to and from device memory, float32 operations (a fused multiply-add is two), exponentials."""

    num_bytes: float
    flops: float
    exponentials: float


class Peaks(NamedTuple):
    """What a device can do at most, per second: bytes of its memory, float32 operations, exponentials."""

    num_bytes: float
    flops: float
    exponentials: float


def peaks(multiprocessors: int, float32_lanes: int, gigahertz: float, terabytes: float) -> Peaks:
    """Peaks from a datasheet: lanes of each multiprocessor, boost clock, TB/s; 16 exponentials per clock in each."""
    clocks = 1e9 * gigahertz * multiprocessors
    return Peaks(1e12 * terabytes, 2.0 * float32_lanes * clocks, 16.0 * clocks)


# By what a device calls itself; the first name that it contains counts.
DEVICE_PEAKS = {
    "A100-SXM4-80GB": peaks(108, 64, 1.41, 2.039),
    "A100 80GB PCIe": peaks(108, 64, 1.41, 1.935),
    "A100": peaks(108, 64, 1.41, 1.555),
    "H100 PCIe": peaks(114, 128, 1.755, 2.039),
    "H100": peaks(132, 128, 1.98, 3.352),
    "H200": peaks(132, 128, 1.98, 4.8),
}


def peaks_of(device_kind: str) -> Peaks | None:
    """The peaks of a device, None where its datasheet is not known here."""
    return next((found for name, found in DEVICE_PEAKS.items() if name in device_kind), None)


def floor_ms(cost: Cost, limits: Peaks) -> float:
    """The least milliseconds that a cost can take: its slowest part, all others hidden behind it."""
    return 1e3 * max(amount / peak for amount, peak in zip(cost, limits, strict=True))


def count_work(gaussians: Gaussians, camera: Camera, size: int) -> Work:
    """Counts a batch's work, every pixel against every Gaussian: seconds on a GPU, minutes on a CPU."""
    batch, num_gaussians, channels = gaussians.features.shape
    with jax.default_matmul_precision("highest"):
        counts = [count_view(*jax.tree.map(lambda x, k=k: x[k], (gaussians, camera)), size) for k in range(batch)]
    lanes, pairs = np.sum([np.sum(np.asarray(count, np.int64), axis=1) for count in counts], axis=0)
    tiles = (-(-size // TILE_SIZE)) ** 2
    return Work(batch, batch * num_gaussians, channels, batch * size**2, batch * tiles, int(lanes), int(pairs))


@functools.partial(jax.jit, static_argnames="size")
def count_view(gaussians: Gaussians, camera: Camera, size: int) -> tuple[jax.Array, jax.Array]:
    """(lanes, pairs) of one picture, for each of its rows of blocks; the Gaussians must all be drawable."""
    splats = project(gaussians, camera, make_settings((size, size), near=0.01, blur=0.3), harmless=False)
    order = jnp.argsort(splats.depths)
    means, conics, opacities = splats.means2d[order], splats.conics[order], splats.opacities[order]
    rows, columns = BLOCK
    x = jnp.arange(-(-size // columns) * columns) + 0.5

    def blends(y):
        """Which Gaussians each pixel of a row receives."""
        dx, dy = x[:, None] - means[:, 0], y - means[:, 1]
        sigma = 0.5 * (conics[:, 0] * dx * dx + conics[:, 2] * dy * dy) + conics[:, 1] * dx * dy
        alpha = jnp.minimum(MAX_ALPHA, opacities * jnp.exp(-sigma))
        alpha = jnp.where(alpha >= MIN_ALPHA, alpha, 0.0)
        seen = (alpha > 0) & (jnp.cumprod(1.0 - alpha, axis=1) > MIN_TRANSMITTANCE)
        return seen & (x < size)[:, None] & (y < size)

    def count_rows(top):
        seen = jax.lax.map(blends, top + jnp.arange(rows) + 0.5)
        touched = seen.reshape(rows, -1, columns, len(opacities)).any(axis=(0, 2))
        return rows * columns * jnp.count_nonzero(touched), jnp.count_nonzero(seen)

    return jax.lax.map(count_rows, rows * jnp.arange(-(-size // rows), dtype=x.dtype))


def forward_cost(work: Work) -> Cost:
    """The least that the forward pass on a GPU moves and computes.

    Bytes: the Gaussians (11 + C floats) read; those of binning; C + 4 images written (alpha, depth, transmittance, last
    splat). What tiles read again lies in the cache. Operations: 300 to project a Gaussian; 18 for an alpha in every
    lane of a block that it reaches; 2 C + 6 where it blends. An exponential per lane.
    """
    gaussians, images = work.num_gaussians * (11 + work.num_channels), work.num_pixels * (work.num_channels + 4)
    blending = 18.0 * work.num_lanes + work.num_pairs * (2.0 * work.num_channels + 6)
    num_bytes = 4.0 * (gaussians + images) + binning_bytes(work)
    return Cost(num_bytes, 300.0 * work.num_gaussians + blending, work.num_lanes)


def backward_cost(work: Work) -> Cost:
    """The least that the backward pass on a GPU moves and computes, with the binning, which it makes again.

    Bytes: as forward, with C + 4 images read (cotangents, transmittance, last splat); the sums (8 + C, 8 bytes each)
    cleared and read; the gradients (11 + C floats) written. Operations: 1100 to project a Gaussian and back; 18 per
    lane; 4 C + 45 where it blends. An exponential per lane.
    """
    rows, images = work.num_gaussians * (11 + work.num_channels), work.num_pixels * (work.num_channels + 4)
    sums = 16.0 * work.num_gaussians * (8 + work.num_channels)
    blending = 18.0 * work.num_lanes + work.num_pairs * (4.0 * work.num_channels + 45)
    num_bytes = 4.0 * (2 * rows + images) + binning_bytes(work) + sums
    return Cost(num_bytes, 1100.0 * work.num_gaussians + blending, work.num_lanes)


def binning_bytes(work: Work) -> float:
    """48-byte splats written, read and written in depth order; 64 to sort a key; the tile mask cleared and read."""
    return work.num_gaussians * (3 * 48.0 + 64.0) + 2.0 * mask_bytes(work.num_gaussians, work.num_tiles, work.num_views)


def mask_bytes(num_gaussians: int, num_tiles: int, num_views: int) -> float:
    """One bit for every Gaussian in every tile of its view; counts are those of all views."""
    return num_gaussians * (num_tiles / num_views) / 8.0


def gpu_workspace_bytes(
    num_gaussians: int, num_channels: int, num_tiles: int, num_views: int, *, deterministic: bool = True
) -> tuple[float, float]:
    """(forward, backward) scratch memory of our kernels on a GPU, about: kernels/README.md, "Memory".

    XLA gives it while they run; no compiled program's own figures count it. Counts are those of all views.
    """
    forward = 130.0 * num_gaussians + min(mask_bytes(num_gaussians, num_tiles, num_views), MAX_MASK_BYTES)
    sums = 8.0 * (8 + num_channels) if deterministic else 4.0 * 8  # floats add the features up where they belong
    return forward, forward + sums * num_gaussians
