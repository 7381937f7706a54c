"""The rasterizer under batches, vmap, pmap and shard_map: always what a loop over single images gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from omg_jax.splat import rasterize
from omg_jax.types import Camera, Gaussians
from tests.kernels.splat_scenes import cloud, dot, portrait_camera, random_cotangents
from tests.tolerances import EXACT, RENDER_GRADIENTS

SIZE = (40, 56)
CHANNELS = 3
COTANGENTS = random_cotangents(*SIZE, CHANNELS)


def stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def turned_cameras(count: int) -> Camera:
    """The portrait camera from `count` sides."""
    camera = portrait_camera(*SIZE)
    cameras = []
    for angle in np.linspace(0, 1, count):
        turn = np.eye(4, dtype=np.float32)
        turn[0, 0] = turn[2, 2] = np.cos(angle)
        turn[0, 2], turn[2, 0] = np.sin(angle), -np.sin(angle)
        cameras.append(camera._replace(world_to_camera=camera.world_to_camera @ turn))
    return stack(cameras)


def render(gaussians: Gaussians, camera: Camera):
    return rasterize(gaussians, camera, SIZE)


def loss(gaussians: Gaussians, camera: Camera):
    return dot(render(gaussians, camera), COTANGENTS)


def pick(tree, i):
    return jax.tree.map(lambda a: a[i], tree)


def assert_same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **EXACT)


CLOUDS = stack([cloud(60 + 0 * seed, CHANNELS, seed) for seed in range(4)])


def test_a_batch_is_a_loop():
    cameras = turned_cameras(4)
    output = render(CLOUDS, cameras)
    assert output.features.shape == (4, *SIZE, CHANNELS) and output.stats.num_visible.shape == (4,)
    assert_same(output, stack([render(pick(CLOUDS, i), pick(cameras, i)) for i in range(4)]))
    gradient_of = jax.grad(loss, argnums=(0, 1))
    assert_same(gradient_of(CLOUDS, cameras), stack([gradient_of(pick(CLOUDS, i), pick(cameras, i)) for i in range(4)]))


def test_a_shared_camera_sums_its_gradients():
    """Shared by all, or the intrinsics alone; by broadcasting, and under vmap."""
    cameras = turned_cameras(4)
    one = pick(cameras, 1)
    for camera in (one, cameras._replace(intrinsics=one.intrinsics[None])):
        each = [Camera(camera.world_to_camera[i] if camera is not one else one[0], one.intrinsics) for i in range(4)]
        parts = stack([jax.grad(loss, argnums=1)(pick(CLOUDS, i), each[i]) for i in range(4)])
        together = jax.grad(loss, argnums=1)(CLOUDS, camera)
        for ours, theirs in zip(together, parts, strict=True):
            expected = theirs if ours.shape == theirs.shape else theirs.sum(axis=0).reshape(ours.shape)
            assert np.linalg.norm(ours - expected) <= RENDER_GRADIENTS * np.linalg.norm(expected)
    mapped = jax.grad(lambda c: jax.vmap(loss, (0, None))(CLOUDS, c).sum())(one)
    for ours, theirs in zip(mapped, jax.grad(loss, argnums=1)(CLOUDS, one), strict=True):
        assert np.linalg.norm(ours - theirs) <= RENDER_GRADIENTS * np.linalg.norm(theirs)


def test_batch_dimensions_broadcast():
    """Two clouds from two sides each: [2, 1] Gaussians and [2] cameras, shared intrinsics."""
    clouds = jax.tree.map(lambda a: a[:2, None], CLOUDS)
    cameras = turned_cameras(2)._replace(intrinsics=portrait_camera(*SIZE).intrinsics)
    output = render(clouds, cameras)
    assert output.depth.shape == (2, 2, *SIZE)
    for i in range(2):
        for j in range(2):
            single = render(pick(CLOUDS, i), Camera(cameras.world_to_camera[j], cameras.intrinsics))
            assert_same(pick(output, (i, j)), single)


def test_one_cloud_from_many_sides_sums_its_gradients():
    cloud_, cameras = pick(CLOUDS, 0), turned_cameras(3)
    gradient = jax.grad(lambda g: loss(g, cameras))(cloud_)
    parts = stack([jax.grad(loss)(cloud_, pick(cameras, i)) for i in range(3)])
    for ours, theirs in zip(gradient, parts, strict=True):
        error = np.linalg.norm(ours - theirs.sum(axis=0)) / np.linalg.norm(theirs.sum(axis=0))
        assert error <= RENDER_GRADIENTS


@pytest.mark.parametrize("axes", [(0, None), (0, 0), (None, 0)], ids=["Gaussians", "both", "cameras"])
def test_vmap_is_a_loop(axes):
    cameras = turned_cameras(4) if axes[1] == 0 else portrait_camera(*SIZE)
    clouds = CLOUDS if axes[0] == 0 else pick(CLOUDS, 0)
    arguments = [
        (pick(clouds, i) if axes[0] == 0 else clouds, pick(cameras, i) if axes[1] == 0 else cameras) for i in range(4)
    ]
    assert_same(jax.vmap(render, axes)(clouds, cameras), stack([render(*a) for a in arguments]))
    gradient_of = jax.grad(loss, argnums=(0, 1))
    gradients = jax.jit(jax.vmap(gradient_of, axes))(clouds, cameras)
    assert_same(gradients, stack([gradient_of(*a) for a in arguments]))


def test_nested_vmap_over_a_batch_of_its_own():
    """vmap over Gaussians of vmap over cameras of a batch of two images."""
    clouds = jax.tree.map(lambda a: a.reshape(2, 2, *a.shape[1:]), CLOUDS)
    cameras = turned_cameras(3)
    output = jax.vmap(jax.vmap(render, (None, 0)), (0, None))(clouds, cameras)
    assert output.alpha.shape == (2, 3, 2, *SIZE)
    assert_same(pick(output, (1, 2, 0)), render(pick(clouds, (1, 0)), pick(cameras, 2)))


def test_scan_runs_it_in_order():
    cameras = turned_cameras(3)
    images = jax.lax.scan(lambda carry, camera: (carry, render(pick(CLOUDS, 0), camera)), 0, cameras)[1]
    assert_same(images, stack([render(pick(CLOUDS, 0), pick(cameras, i)) for i in range(3)]))


def test_pmap_is_a_loop():
    cameras = turned_cameras(4)
    gradients = jax.pmap(jax.grad(loss))(CLOUDS, cameras)
    assert_same(gradients, stack([jax.grad(loss)(pick(CLOUDS, i), pick(cameras, i)) for i in range(4)]))


def test_pmap_averages_gradients_of_shared_gaussians():
    cloud_, cameras = pick(CLOUDS, 0), turned_cameras(4)
    mean = jax.pmap(lambda c: jax.lax.pmean(jax.grad(loss)(cloud_, c), "d"), axis_name="d")(cameras)
    expected = jax.grad(lambda g: loss(g, cameras) / 4)(cloud_)
    for ours, theirs in zip(mean, expected, strict=True):
        assert np.linalg.norm(ours[3] - theirs) <= RENDER_GRADIENTS * np.linalg.norm(theirs)


def test_shard_map_with_its_checks_on():
    """Replicated Gaussians, cameras over devices: the gradient of the sum over devices is the global one."""
    cloud_, cameras = pick(CLOUDS, 0), turned_cameras(4)
    mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,))

    def total(gaussians, cameras):
        local = jax.shard_map(
            lambda g, c: jax.lax.psum(loss(g, c), "d"),
            mesh=mesh,
            in_specs=(PartitionSpec(), PartitionSpec("d")),
            out_specs=PartitionSpec(),
        )
        return local(gaussians, cameras)

    gradient = jax.jit(jax.grad(total))(cloud_, cameras)
    expected = jax.grad(lambda g: loss(g, cameras))(cloud_)
    for ours, theirs in zip(gradient, expected, strict=True):
        assert np.linalg.norm(ours - theirs) <= RENDER_GRADIENTS * np.linalg.norm(theirs)
