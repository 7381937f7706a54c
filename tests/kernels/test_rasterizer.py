"""The rasterizer's values and gradients against its specification, evaluated in float64; and the edges of its rules."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.splat import rasterize, rasterize_reference
from omg_jax.types import Camera, Gaussians
from tests.kernels.oracle import FIELDS, expect, relative_error
from tests.kernels.splat_scenes import DISTANCE, cloud, dot, portrait_camera, random_cotangents
from tests.tolerances import EXACT, RENDER_GRADIENTS, RENDERED_PIXELS


@functools.partial(jax.jit, static_argnums=0)
def gradient_of(render, gaussians, camera, cotangents):
    """(the images' product with the cotangents, its gradient), compiled once per renderer and shape."""
    return jax.value_and_grad(lambda g: dot(render(g, camera, cotangents[1].shape), cotangents))(gaussians)


@pytest.mark.parametrize(
    ("count", "channels", "size"),
    [(2000, 3, (128, 128)), (500, 5, (90, 117)), (1000, 32, (128, 128)), (40, 40, (33, 21))],
    ids=["3 channels", "5 channels, ragged image", "32 channels", "more channels than one slice"],
)
def test_agrees_with_the_specification(count, channels, size):
    gaussians, camera = cloud(count, channels, seed=1), portrait_camera(*size)
    cotangents = random_cotangents(*size, channels)
    images, pull_back = jax.vjp(lambda g, c: rasterize(g, c, size)[:3], gaussians, camera)
    expectation = expect(gaussians, camera, images, cotangents)
    of_gaussians, of_camera = pull_back(expectation.cotangents)
    for name, ours, theirs in zip(FIELDS, (*of_gaussians, *of_camera), expectation.gradient, strict=True):
        assert relative_error(ours, theirs) <= RENDER_GRADIENTS, name


def one_gaussian(**changes) -> Gaussians:
    """A Gaussian at the origin, of one third of a pixel's width at 16x16 pixels, with some fields changed."""
    fields = dict(
        means=[[0.0, 0.0, 0.0]],
        quats=[[1.0, 0, 0, 0]],
        scales=[[0.1, 0.1, 0.1]],
        opacities=[0.5],
        features=[[1.0, 2.0]],
    )
    return Gaussians(**{name: jnp.asarray(value, jnp.float32) for name, value in (fields | changes).items()})


def test_one_gaussian_by_hand():
    camera = portrait_camera(17, 17)
    output = rasterize(one_gaussian(), camera, (17, 17))
    variance = (6.0 * 17 * 0.1 / DISTANCE) ** 2 + 0.3
    offset = np.arange(17) - 8.0
    alpha = 0.5 * np.exp(-(offset**2 + offset[:, None] ** 2) / (2 * variance))
    alpha = np.where(alpha >= 1 / 255, alpha, 0.0)
    np.testing.assert_allclose(output.alpha, alpha, **RENDERED_PIXELS)
    np.testing.assert_allclose(output.features, alpha[..., None] * [1.0, 2.0], **RENDERED_PIXELS)
    np.testing.assert_allclose(output.depth, alpha * DISTANCE, **RENDERED_PIXELS)


@pytest.mark.parametrize(
    "gaussians",
    [
        jax.tree.map(lambda a: a[:0], one_gaussian()),
        one_gaussian(means=[[0.0, 0.0, DISTANCE + 1.0]]),
        one_gaussian(means=[[0.0, 0.0, DISTANCE - 0.005]]),
        one_gaussian(means=[[50.0, 0.0, 0.0]]),
        one_gaussian(opacities=[0.0]),
        one_gaussian(opacities=[0.0039]),
        one_gaussian(quats=[[0.0, 0.0, 0.0, 0.0]]),
    ],
    ids=[
        "none",
        "behind the camera",
        "before the near plane",
        "outside the image",
        "opacity zero",
        "too faint",
        "no axis",
    ],
)
def test_nothing_visible(gaussians):
    camera, size = portrait_camera(20, 20), (20, 20)
    output = rasterize(gaussians, camera, size)
    assert all((image == 0).all() for image in output[:3])
    assert output.stats.num_visible == 0 and output.stats.num_instances == 0
    _, gradient = gradient_of(rasterize, gaussians, camera, random_cotangents(*size, 2))
    assert all((g == 0).all() for g in gradient)


@pytest.mark.parametrize("field", Gaussians._fields)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=["nan", "inf", "-inf"])
def test_a_non_finite_gaussian_is_as_if_absent(field, value):
    camera, size = portrait_camera(40, 40), (40, 40)
    gaussians, cotangents = cloud(50, 5), random_cotangents(40, 40, 5)
    bad = 17
    array = np.array(getattr(gaussians, field))
    array.reshape(50, -1)[bad, -1] = value
    broken = gaussians._replace(**{field: jnp.asarray(array)})
    absent = jax.tree.map(lambda a: jnp.delete(a, bad, axis=0), gaussians)
    for a, b in zip(rasterize(broken, camera, size)[:3], rasterize(absent, camera, size)[:3], strict=True):
        np.testing.assert_allclose(a, b, **EXACT)
    _, gradient = gradient_of(rasterize, broken, camera, cotangents)
    _, expected = gradient_of(rasterize, absent, camera, cotangents)
    for a, b in zip(gradient, expected, strict=True):
        np.testing.assert_allclose(a, jnp.insert(b, bad, 0.0, axis=0), **EXACT)
    _, gradient = gradient_of(rasterize_reference, broken, camera, cotangents)
    assert all(jnp.isfinite(a).all() and (a[bad] == 0).all() for a in gradient)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e3, 1e4], ids=str)
@pytest.mark.parametrize("axes", [[1, 1, 1], [1, 0, 0]], ids=["ball", "needle"])
def test_extreme_scales(scale, axes):
    camera, size = portrait_camera(30, 30), (30, 30)
    gaussians = one_gaussian(scales=[[scale * a for a in axes]], quats=[[0.9, 0.1, 0.2, 0.3]])
    value, gradient = gradient_of(rasterize, gaussians, camera, random_cotangents(*size, 2))
    with jax.enable_x64(True):
        arguments = jax.device_get((gaussians, camera, random_cotangents(*size, 2)))
        arguments = jax.tree.map(lambda a: a.astype(np.float64), arguments)
        expected, _ = gradient_of(rasterize_reference, *arguments)
    np.testing.assert_allclose(value, expected, rtol=RENDER_GRADIENTS)
    assert all(jnp.isfinite(g).all() for g in gradient)


def test_a_covariance_too_large_for_float32_is_culled():
    gaussians, camera = one_gaussian(scales=[[1e25, 1.0, 1.0]]), portrait_camera(16, 16)
    for render in (rasterize, rasterize_reference):
        value, gradient = gradient_of(render, gaussians, camera, random_cotangents(16, 16, 2))
        assert value == 0 and all((g == 0).all() for g in gradient)


def test_blending_stops_before_transmittance_runs_out():
    """Three opaque Gaussians in a row: each leaves 1 %, so the third would bring T to 1e-6 and is left out."""
    stack = one_gaussian(
        means=[[0, 0, 1.0], [0, 0, 0.5], [0, 0, 0.0]],
        quats=[[1.0, 0, 0, 0]] * 3,
        scales=[[10.0] * 3] * 3,
        opacities=[1.0] * 3,
        features=[[1.0, 0.0], [0.0, 1.0], [100.0, 100.0]],
    )
    camera = portrait_camera(9, 9)
    output = rasterize(stack, camera, (9, 9))
    # 0.99 twice would reach 1e-4, which already counts as run out: the second is left out as well.
    np.testing.assert_allclose(output.features, np.broadcast_to([0.99, 0.0], (9, 9, 2)), **RENDERED_PIXELS)
    gradient = jax.grad(lambda g: rasterize(g, camera, (9, 9)).features.sum())(stack)
    assert (gradient.opacities == 0).all() and (gradient.scales == 0).all()  # clamped, or hidden
    assert (gradient.features[1:] == 0).all() and (gradient.features[0] > 0).all()


def test_equal_depths_are_blended_in_the_order_of_the_rows():
    pair = one_gaussian(
        means=[[0.0, 0, 0]] * 2, quats=[[1.0, 0, 0, 0]] * 2, scales=[[0.3] * 3] * 2, opacities=[0.8] * 2,
        features=[[1.0, 0.0], [0.0, 1.0]],
    )  # fmt: skip
    centre = rasterize(pair, portrait_camera(9, 9), (9, 9)).features[4, 4]
    np.testing.assert_allclose(centre, [0.8, 0.2 * 0.8], **RENDERED_PIXELS)


def test_a_single_pixel():
    gaussians, camera = cloud(30, 3), portrait_camera(1, 1)
    output = rasterize(gaussians, camera, (1, 1))
    for image, expected in zip(output[:3], rasterize_reference(gaussians, camera, (1, 1))[:3], strict=True):
        np.testing.assert_allclose(image, expected, **RENDERED_PIXELS)


def test_near_and_blur_are_obeyed():
    gaussians, camera = cloud(100, 3), portrait_camera(48, 48)
    options = dict(near=DISTANCE, blur=2.0)
    output = rasterize(gaussians, camera, (48, 48), **options)
    expected = rasterize_reference(gaussians, camera, (48, 48), **options)
    for image, other in zip(output[:3], expected[:3], strict=True):
        np.testing.assert_allclose(image, other, **RENDERED_PIXELS)
    assert output.stats.num_visible < rasterize(gaussians, camera, (48, 48)).stats.num_visible


def test_stats_count_gaussians_and_their_tiles():
    camera = portrait_camera(32, 48)
    output = rasterize(cloud(200, 3), camera, (32, 48))
    expected = rasterize_reference(cloud(200, 3), camera, (32, 48))
    # An ellipse may reach between the pixel centres of a tile without any of them being bright enough.
    assert 0 <= output.stats.num_visible - expected.stats.num_visible <= 2
    assert 0 <= output.stats.num_instances - expected.stats.num_instances <= 5
    assert output.stats.num_overflowed == 0


def test_the_camera_gets_its_gradient_beyond_the_clamped_slopes_too():
    """Wide Gaussians, most of them far outside of a picture that is small and off the axis."""
    size, cotangents = (24, 40), random_cotangents(24, 40, 3)
    gaussians, camera = cloud(300, 3, scale=0.4), portrait_camera(100, 100)
    camera = camera._replace(intrinsics=camera.intrinsics.at[:2, 2].set(jnp.array([30.0, -5.0])))
    images, pull_back = jax.vjp(lambda c: rasterize(gaussians, c, size)[:3], camera)
    expectation = expect(gaussians, camera, images, cotangents)
    gradient = pull_back(expectation.cotangents)[0]
    for name, ours, theirs in zip(Camera._fields, gradient, expectation.gradient[-2:], strict=True):
        assert relative_error(ours, theirs) <= RENDER_GRADIENTS, name


@pytest.mark.parametrize("field", Camera._fields)
def test_a_camera_that_is_not_finite_is_refused_or_sees_nothing(field):
    gaussians, camera, size = cloud(20, 3), portrait_camera(16, 16), (16, 16)
    broken = camera._replace(**{field: getattr(camera, field).at[0, 2].set(jnp.nan)})
    for render in (rasterize, rasterize_reference):
        with pytest.raises(ValueError, match=rf"camera.{field}: expected finite numbers, got nan at \(0, 2\)"):
            render(gaussians, broken, size)
        output = jax.jit(lambda g, c, render=render: render(g, c, size))(gaussians, broken)
        assert (output.features == 0).all() and (output.alpha == 0).all() and output.stats.num_visible == 0
        assert output.stats.num_not_finite == 20
        gradient = jax.jit(jax.grad(lambda s, render=render: render(*s, size).features.sum()))((gaussians, broken))
        assert all((g == 0).all() for g in jax.tree.leaves(gradient))


def test_gaussians_that_are_not_finite_are_counted():
    gaussians, camera = cloud(40, 3), portrait_camera(16, 16)
    spoilt = gaussians._replace(
        means=gaussians.means.at[3, 1].set(jnp.nan), features=gaussians.features.at[jnp.array([3, 7]), 2].set(jnp.inf)
    )
    for render in (rasterize, rasterize_reference):
        assert render(gaussians, camera, (16, 16)).stats.num_not_finite == 0
        assert render(spoilt, camera, (16, 16)).stats.num_not_finite == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(quats=jnp.zeros((3, 4))), "quats: expected shape"),
        (dict(features=jnp.zeros((1, 0))), "at least one channel"),
        (dict(means=np.zeros((1, 3), np.float16)), "expected float16 like means"),
    ],
)
def test_misshapen_gaussians_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        rasterize(one_gaussian()._replace(**changes), portrait_camera(16, 16), (16, 16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(image_size=(0, 16)), "image_size: expected"),
        (dict(near=0.0), "near: expected"),
        (dict(blur=-0.1), "blur: expected"),
        (dict(blur=float("nan")), "blur: expected"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        rasterize(one_gaussian(), portrait_camera(16, 16), **{"image_size": (16, 16), **options})


def test_float64_is_refused_with_a_remedy():
    with jax.enable_x64(True), pytest.raises(ValueError, match="expected float32 Gaussians, got float64"):
        gaussians = jax.tree.map(lambda a: a.astype(jnp.float64), one_gaussian())
        rasterize(gaussians, portrait_camera(16, 16), (16, 16))


def test_batches_that_do_not_broadcast_are_refused():
    gaussians = jax.tree.map(lambda a: jnp.stack([a] * 3), one_gaussian())
    cameras = Camera(*(jnp.stack([a] * 2) for a in portrait_camera(16, 16)))
    with pytest.raises(ValueError, match="do not broadcast"):
        rasterize(gaussians, cameras, (16, 16))


def test_two_runs_give_the_same_bits():
    gaussians, camera, size = cloud(3000, 7, scale=0.1), portrait_camera(150, 150), (150, 150)
    run = jax.jit(jax.grad(lambda g: dot(rasterize(g, camera, size), random_cotangents(*size, 7))))
    first = run(gaussians)
    for _ in range(4):
        for a, b in zip(first, run(gaussians), strict=True):
            np.testing.assert_allclose(a, b, **EXACT)
