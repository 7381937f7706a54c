"""The counted work, the cost model, and the roofline."""

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.benchmarks.cost import (
    DEVICE_PEAKS,
    Work,
    backward_cost,
    count_work,
    floor_ms,
    forward_cost,
    gpu_workspace_bytes,
    peaks_of,
)
from omg_jax.benchmarks.scenes import DISTANCE, portrait_camera
from omg_jax.types import Camera, Gaussians

SIZE = 50  # neither a multiple of a block's height nor of its width
OPACITY = 0.9


def on_axis(count: int, radius: float) -> tuple[Gaussians, Camera]:
    """Balls one behind the other on the camera's axis, and the camera; a batch of one."""
    means = np.zeros((1, count, 3))
    means[0, :, 2] = -np.arange(count)
    quats = np.tile([1.0, 0.0, 0.0, 0.0], (1, count, 1))
    arrays = means, quats, np.full((1, count, 3), radius), np.full((1, count), OPACITY), np.ones((1, count, 2))
    gaussians = Gaussians(*(jnp.asarray(array, jnp.float32) for array in arrays))
    return gaussians, Camera(*(array[None] for array in portrait_camera(SIZE)))


def covered(radius: float, depth: float) -> np.ndarray:
    """Pixels where a ball on the axis has an alpha of 1/255, by hand."""
    pixels = np.arange(SIZE) + 0.5 - SIZE / 2
    squared = pixels[:, None] ** 2 + pixels**2
    variance = (6.0 * SIZE * radius / depth) ** 2 + 0.3
    return OPACITY * np.exp(-squared / (2 * variance)) >= 1 / 255


def test_pairs_and_lanes_of_one_ball():
    work = count_work(*on_axis(1, 0.05), SIZE)
    inside = covered(0.05, DISTANCE)
    blocks = np.pad(inside, ((0, 2), (0, 6))).reshape(13, 4, 7, 8).any(axis=(1, 3))
    assert work == Work(1, 1, 2, SIZE**2, 16, 32 * blocks.sum(), inside.sum())


def test_nothing_counts_behind_an_opaque_stack():
    """Four alphas of 0.9 leave 1e-4 of the light: the fourth is left out at the centre of a wide stack."""
    one, many = (count_work(*on_axis(count, 2.0), SIZE).num_pairs for count in (1, 20))
    assert one == SIZE**2
    assert 3 * one <= many < 20 * one
    assert count_work(*on_axis(40, 2.0), SIZE).num_pairs == many


def test_costs_grow_with_the_batch():
    work = Work(1, 1000, 32, 512 * 512, 1024, 3_000_000, 1_000_000)
    batch = Work(4, 4000, 32, 4 * 512 * 512, 4 * 1024, 12_000_000, 4_000_000)
    for cost in (forward_cost, backward_cost):
        np.testing.assert_allclose(cost(batch), 4 * np.asarray(cost(work)))
    assert all(b > f for f, b in zip(forward_cost(work)[:2], backward_cost(work)[:2], strict=True))
    # Images alone are the least that a pass can move.
    assert forward_cost(work).num_bytes > 4 * 512 * 512 * 32


def test_the_floor_is_the_slowest_part():
    limits = DEVICE_PEAKS["H200"]
    cost = forward_cost(Work(1, 0, 1, 100, 1, 0, 0))
    assert floor_ms(cost._replace(num_bytes=limits.num_bytes, flops=limits.flops / 2), limits) == pytest.approx(1e3)
    assert floor_ms(cost._replace(exponentials=2 * limits.exponentials), limits) == pytest.approx(2e3)


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
    ],
)
def test_devices_are_known_by_their_names(device, name):
    assert peaks_of(device) == DEVICE_PEAKS[name]


def test_no_roofline_for_other_devices():
    assert peaks_of("cpu") is None


def test_the_workspace_does_not_grow_with_the_picture_once_it_is_drawn_in_bands():
    forward, backward = gpu_workspace_bytes(1_000_000, 32, 128**2, 1)
    assert gpu_workspace_bytes(1_000_000, 32, 256**2, 1) == (forward, backward)
    assert backward - forward == 8 * 40 * 1_000_000
