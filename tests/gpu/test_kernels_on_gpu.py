"""The CUDA kernels on a GPU: against the CPU's, bit by bit against themselves, batched, mapped, differentiated."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.visibility import zbuffer
from omg_jax.splat import rasterize
from omg_jax.types import Camera, Gaussians
from tests.kernels.oracle import FIELDS, relative_error
from tests.kernels.splat_scenes import cloud, dot, portrait_camera, random_cotangents
from tests.kernels.test_zbuffer import make_camera, triangle_soup
from tests.tolerances import FLIPPED_PIXELS, RENDER_GRADIENTS, RENDERED_PIXELS


def render_and_pull(device, gaussians, camera, size, cotangents, deterministic=True):
    """(images, gradient in the order of FIELDS) as numpy arrays."""
    placed = jax.device_put((gaussians, camera, cotangents), device)
    return jax.tree.map(np.asarray, _render_and_pull(*placed, size=size, deterministic=deterministic))


@functools.partial(jax.jit, static_argnames=("size", "deterministic"))
def _render_and_pull(gaussians, camera, cotangents, size, deterministic):
    def render(g, c):
        return rasterize(g, c, size, deterministic=deterministic)[:3]

    images, pull_back = jax.vjp(render, gaussians, camera)
    return images, jax.tree.leaves(pull_back(tuple(cotangents)))


@pytest.mark.parametrize("deterministic", [True, False], ids=["fixed-point sums", "float sums"])
@pytest.mark.parametrize(
    ("count", "channels", "size"),
    [
        (2000, 3, (128, 128)),
        (500, 5, (90, 117)),
        (1000, 32, (128, 128)),
        (700, 70, (65, 33)),
        (1, 1, (1, 1)),
        (50_000, 3, (512, 512)),
    ],
)
def test_equals_the_cpu(gpu, cpu, count, channels, size, deterministic):
    gaussians, camera = cloud(count, channels, seed=1), portrait_camera(*size)
    cotangents = random_cotangents(*size, channels)
    images, _ = render_and_pull(gpu, gaussians, camera, size, cotangents, deterministic)
    expected, _ = render_and_pull(cpu, gaussians, camera, size, cotangents)
    close = [np.isclose(a, b, **RENDERED_PIXELS) for a, b in zip(images, expected, strict=True)]
    same = close[0].all(axis=-1) & close[1] & close[2]
    assert (~same).mean() <= FLIPPED_PIXELS
    kept = tuple(np.where(same if c.ndim == 2 else same[..., None], c, 0) for c in cotangents)
    _, gradient = render_and_pull(gpu, gaussians, camera, size, kept, deterministic)
    _, expected_gradient = render_and_pull(cpu, gaussians, camera, size, kept)
    for name, ours, theirs in zip(FIELDS, gradient, expected_gradient, strict=True):
        assert relative_error(ours, theirs) <= RENDER_GRADIENTS, name


def test_deterministic_runs_give_the_same_bits(gpu):
    gaussians, camera, size = cloud(20_000, 32, seed=2), portrait_camera(256, 256), (256, 256)
    cotangents = random_cotangents(*size, 32)
    first = render_and_pull(gpu, gaussians, camera, size, cotangents)
    for _ in range(5):
        again = render_and_pull(gpu, gaussians, camera, size, cotangents)
        jax.tree.map(np.testing.assert_array_equal, first, again)


def test_a_mapped_batch_is_its_views_one_by_one(gpu):
    size, cotangents = (100, 90), random_cotangents(100, 90, 36)
    views = [cloud(800, 36, seed=seed) for seed in range(3)]
    batch = Gaussians(*(jnp.stack(arrays) for arrays in zip(*views, strict=True)))
    camera = portrait_camera(*size)
    with jax.default_device(gpu):
        gradient_of = jax.grad(lambda g: dot(rasterize(g, camera, size), cotangents))
        mapped = jax.jit(jax.vmap(gradient_of))(batch)
        for k, view in enumerate(views):
            alone = jax.jit(gradient_of)(view)
            jax.tree.map(lambda a, b, k=k: np.testing.assert_array_equal(a[k], b), mapped, alone)


def test_nested_maps_share_what_is_not_mapped(gpu):
    """Cameras outside, Gaussians inside: two batch dimensions, and each array has only one of them."""
    size, cotangents = (60, 50), random_cotangents(60, 50, 8)
    views = [cloud(200, 8, seed=seed) for seed in range(2)]
    batch = Gaussians(*(jnp.stack(arrays) for arrays in zip(*views, strict=True)))
    camera = portrait_camera(*size)
    shifts = (0.0, 0.1, -0.2)
    cameras = [camera._replace(world_to_camera=camera.world_to_camera.at[0, 3].add(shift)) for shift in shifts]
    stacked = Camera(*(jnp.stack(arrays) for arrays in zip(*cameras, strict=True)))
    gradient_of = jax.grad(lambda g, c: dot(rasterize(g, c, size), cotangents))
    with jax.default_device(gpu):
        mapped = jax.jit(jax.vmap(jax.vmap(gradient_of, (0, None)), (None, 0)))(batch, stacked)
        for i, own in enumerate(cameras):
            for k, view in enumerate(views):
                alone = jax.jit(gradient_of)(view, own)
                jax.tree.map(lambda a, b, i=i, k=k: np.testing.assert_array_equal(a[i, k], b), mapped, alone)


def test_a_shared_camera_sums_the_gradients_of_its_views(gpu, cpu):
    size, cotangents = (60, 50), random_cotangents(60, 50, 3)
    views = [cloud(200, 3, seed=seed) for seed in range(3)]
    batch = Gaussians(*(jnp.stack(arrays) for arrays in zip(*views, strict=True)))
    gradient_of = jax.jit(jax.grad(lambda c, g: dot(rasterize(g, c, size), cotangents)))
    ours, theirs = (gradient_of(*jax.device_put((portrait_camera(*size), batch), device)) for device in (gpu, cpu))
    for name, array, expected in zip(Camera._fields, ours, theirs, strict=True):
        assert relative_error(array, expected) <= RENDER_GRADIENTS, name


def test_a_picture_drawn_in_bands(gpu, cpu):
    """Its tile mask would take more memory than a call spends on it."""
    size, count = (2048, 2048), 200_000
    gaussians, camera = cloud(count, 3, seed=3, scale=0.004), portrait_camera(*size)
    pictures = []
    for device in (gpu, cpu):
        placed = jax.device_put((gaussians, camera), device)
        pictures.append(np.asarray(jax.jit(lambda g, c: rasterize(g, c, size).features)(*placed)))
    close = np.isclose(*pictures, **RENDERED_PIXELS).all(axis=-1)
    assert (~close).mean() <= FLIPPED_PIXELS


def test_no_gaussian_and_a_non_finite_camera(gpu):
    camera = portrait_camera(40, 40)
    broken = camera._replace(world_to_camera=camera.world_to_camera.at[0, 3].set(jnp.nan))
    with jax.default_device(gpu):
        for gaussians, seen_by in ((cloud(0, 3), camera), (cloud(10, 3), broken)):
            output = jax.jit(lambda g, c: rasterize(g, c, (40, 40)))(gaussians, seen_by)
            assert float(jnp.abs(output.features).max()) == 0.0
            assert int(output.stats.num_visible) == 0
            assert int(output.stats.num_not_finite) == (0 if seen_by is camera else 10)
            gradient = jax.jit(jax.grad(lambda s: rasterize(*s, (40, 40)).features.sum()))((gaussians, seen_by))
            assert all(bool((g == 0).all()) for g in jax.tree.leaves(gradient))


@pytest.mark.parametrize("count", [0, 400])
def test_the_zbuffer_equals_the_cpus(gpu, cpu, count):
    vertices, faces = triangle_soup(0, count, 0.3)
    camera, size = make_camera(60.0, (101, 77)), (101, 77)
    results = []
    for device in (gpu, cpu):
        placed = jax.device_put((jnp.asarray(vertices), jnp.asarray(faces), camera), device)
        results.append(jax.tree.map(np.asarray, jax.jit(lambda v, f, c: zbuffer(v, f, c, size))(*placed)))
    jax.tree.map(np.testing.assert_array_equal, *results)
