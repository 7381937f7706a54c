"""The CUDA kernels, run on the CPU by kernels/emulation: against the specification, and their own promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.visibility import zbuffer
from omg_jax.splat import rasterize
from omg_jax.types import Camera, Gaussians
from tests.kernels import emulation
from tests.kernels.oracle import FIELDS, expect, relative_error
from tests.kernels.splat_scenes import cloud, portrait_camera, random_cotangents
from tests.kernels.test_zbuffer import make_camera, triangle_soup
from tests.tolerances import EXACT, FINITE_DIFFERENCES, FLIPPED_PIXELS, RENDER_GRADIENTS, RENDERED_PIXELS

SIZE = (48, 40)


@pytest.mark.parametrize(
    ("count", "channels", "size"),
    [(2000, 3, (128, 128)), (500, 5, (90, 117)), (300, 12, (64, 64)), (1000, 32, (96, 96)), (40, 40, (33, 21))],
    ids=["3 channels", "5 channels, ragged image", "12 channels", "32 channels", "more channels than one slice"],
)
def test_agrees_with_the_specification(count, channels, size):
    gaussians, camera = cloud(count, channels, seed=1), portrait_camera(*size)
    cotangents = random_cotangents(*size, channels)
    outputs = emulation.forward(gaussians, camera, size)
    kept, expected = expect(gaussians, camera, outputs[:3], cotangents)
    for deterministic in (True, False):
        gradient = emulation.backward(gaussians, camera, size, outputs, kept, deterministic=deterministic)
        for name, ours, oracle in zip(FIELDS, gradient, expected, strict=True):
            assert relative_error(ours, oracle) < RENDER_GRADIENTS, (name, deterministic)


def test_equals_the_cpu_kernels():
    """The same formulas in the same order: the transmittance too, which the specification does not tell."""
    gaussians, camera = cloud(600, 3, seed=3), portrait_camera(*SIZE)
    outputs = emulation.forward(gaussians, camera, SIZE)
    expected = rasterize(gaussians, camera, SIZE)
    for ours, theirs in zip(outputs, expected[:3], strict=False):
        np.testing.assert_allclose(ours, theirs, **RENDERED_PIXELS)
    np.testing.assert_allclose(outputs[3], 1.0 - outputs[1], **RENDERED_PIXELS)


def test_a_batch_is_its_views_one_by_one():
    """To the last bit, forward and backward, with shared and with own cameras."""
    views = [cloud(300, 3, seed=seed) for seed in (1, 2, 3)]
    batch = Gaussians(*(jnp.stack(arrays) for arrays in zip(*views, strict=True)))
    camera = portrait_camera(*SIZE)
    own = Camera(*(jnp.stack([a, a * 1.0, a]) for a in camera))
    cotangents = tuple(np.stack(a) for a in zip(*(random_cotangents(*SIZE, 3, seed=k) for k in range(3)), strict=True))
    shared = Camera(*(a[None] for a in camera))
    for cameras in (shared, own):
        outputs = emulation.forward(batch, cameras, SIZE)
        gradient = emulation.backward(batch, cameras, SIZE, outputs, cotangents)
        for k, view in enumerate(views):
            single = emulation.forward(view, camera, SIZE)
            for together, alone in zip(outputs, single, strict=True):
                np.testing.assert_array_equal(together[k], alone)
            alone = emulation.backward(view, camera, SIZE, single, tuple(c[k] for c in cotangents))
            jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda a, k=k: a[k], gradient), alone)


def test_fixed_point_sums_do_not_depend_on_the_order_of_blocks():
    gaussians, camera = cloud(400, 5, seed=4), portrait_camera(*SIZE)
    cotangents = random_cotangents(*SIZE, 5)
    outputs = emulation.forward(gaussians, camera, SIZE)

    def both_orders(deterministic: bool) -> list[tuple]:
        forward = emulation.backward(gaussians, camera, SIZE, outputs, cotangents, deterministic=deterministic)
        with emulation.reversed_blocks():
            backward = emulation.backward(gaussians, camera, SIZE, outputs, cotangents, deterministic=deterministic)
        return [forward, backward]

    jax.tree.map(np.testing.assert_array_equal, *both_orders(True))
    one, other = both_orders(False)
    assert any((a != b).any() for a, b in zip(one, other, strict=True)), "the order was not changed"


def test_fixed_point_sums_serve_cotangents_of_any_size():
    """A power of two times the cotangents is that power times the gradient, to the last bit."""
    gaussians, camera = cloud(200, 3, seed=5), portrait_camera(*SIZE)
    cotangents = random_cotangents(*SIZE, 3)
    outputs = emulation.forward(gaussians, camera, SIZE)
    expected = emulation.backward(gaussians, camera, SIZE, outputs, cotangents)
    for factor in (2.0**-60, 2.0**60):
        scaled = tuple(np.float32(factor) * c for c in cotangents)
        gradient = emulation.backward(gaussians, camera, SIZE, outputs, scaled)
        for name, ours, theirs in zip(FIELDS, gradient, expected, strict=True):
            np.testing.assert_array_equal(ours, np.float32(factor) * theirs, err_msg=name)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cotangent_that_is_not_finite_is_not_hidden(bad):
    gaussians, camera = cloud(50, 3, seed=6), portrait_camera(*SIZE)
    cotangents = random_cotangents(*SIZE, 3)
    cotangents[1][SIZE[0] // 2, SIZE[1] // 2] = bad
    outputs = emulation.forward(gaussians, camera, SIZE)
    gradient = emulation.backward(gaussians, camera, SIZE, outputs, cotangents)
    assert np.isnan(gradient[0]).any()


def test_no_cotangent_no_gradient():
    gaussians, camera = cloud(50, 3, seed=6), portrait_camera(*SIZE)
    outputs = emulation.forward(gaussians, camera, SIZE)
    nothing = tuple(np.zeros_like(c) for c in random_cotangents(*SIZE, 3))
    for array in emulation.backward(gaussians, camera, SIZE, outputs, nothing):
        np.testing.assert_allclose(array, 0.0, **EXACT)


@pytest.mark.parametrize(
    ("field", "value"),
    [("means", np.nan), ("quats", np.inf), ("scales", np.nan), ("opacities", np.inf), ("features", np.nan)],
)
def test_a_non_finite_gaussian_is_as_if_absent(field, value):
    gaussians, camera = cloud(100, 3, seed=7), portrait_camera(*SIZE)
    spoilt = gaussians._replace(**{field: getattr(gaussians, field).at[17].set(value)})
    absent = gaussians._replace(opacities=gaussians.opacities.at[17].set(0.0))
    outputs = emulation.forward(spoilt, camera, SIZE)
    for ours, expected in zip(outputs[:-1], emulation.forward(absent, camera, SIZE), strict=False):
        np.testing.assert_array_equal(ours, expected)
    assert outputs[-1][3] == 1, "counted in the stats"
    gradient = emulation.backward(spoilt, camera, SIZE, outputs, random_cotangents(*SIZE, 3))
    assert all(np.isfinite(array).all() for array in gradient)
    for array in gradient[: len(Gaussians._fields)]:
        np.testing.assert_allclose(array[17], 0.0, **EXACT)


def test_no_gaussian_and_none_in_sight():
    camera = portrait_camera(*SIZE)
    for gaussians in (cloud(0, 3), cloud(5, 3)._replace(means=jnp.full((5, 3), 50.0))):
        outputs = emulation.forward(gaussians, camera, SIZE)
        for image in (*outputs[:3], outputs[4], outputs[5]):
            np.testing.assert_allclose(image, 0.0, **EXACT)
        for array in emulation.backward(gaussians, camera, SIZE, outputs, random_cotangents(*SIZE, 3)):
            np.testing.assert_allclose(array, 0.0, **EXACT)


def test_huge_gaussians_and_an_opaque_stack():
    """Gaussians over the whole image, so many that every pixel stops early."""
    gaussians, camera = cloud(150, 3, seed=8, scale=1.0), portrait_camera(*SIZE)
    gaussians = gaussians._replace(opacities=jnp.full(150, 0.9))
    outputs = emulation.forward(gaussians, camera, SIZE)
    cotangents = random_cotangents(*SIZE, 3)
    kept, expected = expect(gaussians, camera, outputs[:3], cotangents)
    assert float(outputs[3].min()) > 1e-4 and outputs[4].max() < 150, "pixels stop before the last Gaussian"
    gradient = emulation.backward(gaussians, camera, SIZE, outputs, kept)
    for name, ours, oracle in zip(FIELDS, gradient, expected, strict=True):
        assert relative_error(ours, oracle) < RENDER_GRADIENTS, name


@pytest.mark.parametrize(
    ("count", "triangle_size", "image"),
    [(60, 1.0, (40, 50)), (400, 0.1, (64, 48)), (10, 1.0, (1, 1)), (0, 1.0, (20, 20))],
    ids=["large, across the near plane", "small", "one pixel", "no face"],
)
def test_the_zbuffer_equals_the_cpus(count, triangle_size, image):
    vertices, faces = triangle_soup(0, count, triangle_size)
    camera = make_camera(0.6 * max(image), image)
    depth, face_index = emulation.zbuffer(vertices, faces, camera, image)
    expected = zbuffer(jnp.asarray(vertices), jnp.asarray(faces), camera, image)
    np.testing.assert_array_equal(face_index, expected.face_index)
    np.testing.assert_array_equal(depth, expected.depth)


def test_faces_of_missing_vertices_are_left_out():
    vertices, faces = triangle_soup(1, 3, 1.0)
    camera = make_camera(30.0, (32, 32))
    expected = emulation.zbuffer(vertices, faces, camera, (32, 32))
    more = np.concatenate([faces, [[0, 1, len(vertices)], [-1, 0, 1]]])
    for ours, theirs in zip(emulation.zbuffer(vertices, more, camera, (32, 32)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("kernel", "waiting"), [("stray_barrier", "40 of 64"), ("stray_ballot", "32 of 64")])
def test_threads_that_do_not_meet_are_found(kernel, waiting):
    with pytest.raises(RuntimeError, match=waiting):
        emulation.call(kernel)


def test_a_far_gaussian_does_not_coarsen_the_others_sums():
    """Its depth counts in the scale only as far as depth itself has a cotangent."""
    gaussians, camera = cloud(100, 3, seed=9), portrait_camera(*SIZE)
    far = gaussians._replace(
        means=gaussians.means.at[0].set(jnp.array([0.0, 0.0, -1e6])), scales=gaussians.scales.at[0].set(1e5)
    )
    colour, alpha, depth = random_cotangents(*SIZE, 3)
    cotangents = (colour, alpha, np.zeros_like(depth))
    outputs = emulation.forward(far, camera, SIZE)
    fixed, floats = (
        emulation.backward(far, camera, SIZE, outputs, cotangents, deterministic=deterministic)
        for deterministic in (True, False)
    )
    for name, ours, expected in zip(Gaussians._fields, fixed, floats, strict=False):
        assert relative_error(ours[1:], expected[1:]) < RENDER_GRADIENTS, name


def test_products_beyond_float32_are_not_hidden():
    gaussians, camera = cloud(30, 3, seed=10), portrait_camera(*SIZE)
    gaussians = gaussians._replace(features=1e20 * gaussians.features)
    cotangents = tuple(np.float32(1e20) * c for c in random_cotangents(*SIZE, 3))
    outputs = emulation.forward(gaussians, camera, SIZE)
    assert np.isnan(emulation.backward(gaussians, camera, SIZE, outputs, cotangents)[0]).any()


def test_a_bad_cotangent_where_nothing_was_drawn_does_no_harm():
    gaussians, camera = cloud(30, 3, seed=11), portrait_camera(*SIZE)
    outputs = emulation.forward(gaussians, camera, SIZE)
    cotangents = random_cotangents(*SIZE, 3)
    expected = emulation.backward(gaussians, camera, SIZE, outputs, cotangents)
    empty = outputs[4] == 0
    assert empty.any()
    spoilt = tuple(np.where(empty if c.ndim == 2 else empty[..., None], np.float32(np.nan), c) for c in cotangents)
    jax.tree.map(np.testing.assert_array_equal, emulation.backward(gaussians, camera, SIZE, outputs, spoilt), expected)


def test_thousands_of_splats_in_few_tiles():
    """Rows of the mask that take many scans, full batches, and pixels that stop before the end."""
    gaussians, camera = cloud(6000, 3, seed=12, scale=0.03), portrait_camera(33, 35)
    outputs = emulation.forward(gaussians, camera, (33, 35))
    cotangents = random_cotangents(33, 35, 3)
    assert_equals_the_cpu(gaussians, camera, (33, 35), outputs, cotangents)


def assert_equals_the_cpu(gaussians, camera, size, outputs, cotangents):
    """Images, and gradients with the cotangents of pixels that differ left out."""
    expected, pull_back = jax.vjp(lambda g, c: rasterize(g, c, size)[:3], gaussians, camera)
    close = [np.isclose(a, b, **RENDERED_PIXELS) for a, b in zip(outputs[:3], expected, strict=True)]
    same = close[0].all(axis=-1) & close[1] & close[2]
    assert (~same).mean() <= FLIPPED_PIXELS
    kept = tuple(np.where(same if c.ndim == 2 else same[..., None], c, np.float32(0)) for c in cotangents)
    gradient = emulation.backward(gaussians, camera, size, outputs, kept)
    for name, ours, theirs in zip(FIELDS, gradient, jax.tree.leaves(pull_back(kept)), strict=True):
        assert relative_error(ours, theirs) < RENDER_GRADIENTS, name


def test_a_million_tiny_gaussians():
    size = (20, 33)
    gaussians, camera = cloud(1_000_000, 3, seed=13, scale=1e-3), portrait_camera(*size)
    outputs = emulation.forward(gaussians, camera, size)
    assert outputs[5][0] > 900_000, "most are seen"
    assert_equals_the_cpu(gaussians, camera, size, outputs, random_cotangents(*size, 3))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e3, 1e4], ids=str)
@pytest.mark.parametrize("axes", [[1, 1, 1], [1, 0, 0]], ids=["ball", "needle"])
def test_one_gaussian_of_extreme_scale(scale, axes):
    """From none at all to one that covers everything; beside an ordinary cloud.

    A needle's own gradient, a small difference of huge numbers, is beyond float32: it is only finite.
    """
    gaussians, camera = cloud(60, 3, seed=14), portrait_camera(*SIZE)
    gaussians = gaussians._replace(
        scales=gaussians.scales.at[5].set(scale * jnp.array(axes, jnp.float32)), opacities=jnp.full(60, 0.5)
    )
    outputs, cotangents = emulation.forward(gaussians, camera, SIZE), random_cotangents(*SIZE, 3)
    kept, expected = expect(gaussians, camera, outputs[:3], cotangents)
    gradient = emulation.backward(gaussians, camera, SIZE, outputs, kept)
    assert all(np.isfinite(array).all() for array in gradient)
    others = np.delete(np.arange(60), 5) if axes == [1, 0, 0] else np.arange(60)
    for name, ours, oracle in zip(Gaussians._fields, gradient, expected, strict=False):
        assert relative_error(ours[others], oracle[others]) < RENDER_GRADIENTS, name


@pytest.mark.parametrize(
    ("field", "value"), [("scales", 1e25), ("opacities", 0.0), ("opacities", -1.0), ("quats", 0.0)]
)
def test_a_gaussian_that_cannot_be_drawn_is_as_if_absent(field, value):
    gaussians, camera = cloud(60, 3, seed=15), portrait_camera(*SIZE)
    hidden = gaussians._replace(**{field: getattr(gaussians, field).at[5].set(value)})
    absent = jax.tree.map(lambda a: jnp.delete(a, 5, axis=0), gaussians)
    outputs, expected = emulation.forward(hidden, camera, SIZE), emulation.forward(absent, camera, SIZE)
    for ours, theirs in zip(outputs[:4], expected, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    gradient = emulation.backward(hidden, camera, SIZE, outputs, random_cotangents(*SIZE, 3))
    assert all(np.isfinite(array).all() for array in gradient)
    for array in gradient[: len(Gaussians._fields)]:
        np.testing.assert_allclose(array[5], 0.0, **EXACT)


def test_gaussians_across_the_near_plane_and_close_to_the_eye():
    gaussians, camera = cloud(200, 3, seed=16, scale=0.3), portrait_camera(*SIZE)
    camera = camera._replace(world_to_camera=camera.world_to_camera.at[2, 3].set(0.5))
    camera = camera._replace(intrinsics=camera.intrinsics.at[[0, 1], [0, 1]].set(20.0))
    outputs, cotangents = emulation.forward(gaussians, camera, SIZE), random_cotangents(*SIZE, 3)
    assert 20 < outputs[5][0] < 180, "some are behind the near plane"
    assert_equals_the_cpu(gaussians, camera, SIZE, outputs, cotangents)


def test_a_camera_that_is_not_finite_sees_nothing_and_is_counted():
    gaussians, camera = cloud(40, 3, seed=17), portrait_camera(*SIZE)
    broken = camera._replace(world_to_camera=camera.world_to_camera.at[1, 3].set(jnp.inf))
    outputs = emulation.forward(gaussians, broken, SIZE)
    for image in outputs[:3]:
        np.testing.assert_allclose(image, 0.0, **EXACT)
    np.testing.assert_array_equal(outputs[5], [0, 0, 0, 40])
    for array in emulation.backward(gaussians, broken, SIZE, outputs, random_cotangents(*SIZE, 3)):
        np.testing.assert_allclose(array, 0.0, **EXACT)


def test_the_order_of_the_gaussians_does_not_matter():
    """To the last bit, as no two depths are equal: they are 2^-9 apart, which float32 holds."""
    count, camera = 400, portrait_camera(*SIZE)
    gaussians, order = cloud(count, 3, seed=18), np.random.default_rng(5).permutation(count)
    heights = (np.random.default_rng(6).permutation(count) - count / 2) / 512
    gaussians = gaussians._replace(means=gaussians.means.at[:, 2].set(heights))
    shuffled = jax.tree.map(lambda a: a[order], gaussians)
    cotangents = random_cotangents(*SIZE, 3)
    outputs, others = (emulation.forward(g, camera, SIZE) for g in (gaussians, shuffled))
    for ours, theirs in zip(others, outputs, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    gradient = emulation.backward(gaussians, camera, SIZE, outputs, cotangents)
    other_gradient = emulation.backward(shuffled, camera, SIZE, outputs, cotangents)
    for _, ours, theirs in zip(Gaussians._fields, other_gradient, gradient, strict=False):
        np.testing.assert_array_equal(ours, theirs[order])


def test_channels_are_independent():
    """70 channels, three slices, are what 33 + 37 are: images to the bit, and the gradients of the rest add up."""
    gaussians, camera = cloud(150, 70, seed=19), portrait_camera(*SIZE)
    cotangents = random_cotangents(*SIZE, 70)
    outputs = emulation.forward(gaussians, camera, SIZE)
    whole = emulation.backward(gaussians, camera, SIZE, outputs, cotangents)
    total = [np.zeros_like(a) for a in whole]
    for channels in (slice(0, 33), slice(33, 70)):
        part = gaussians._replace(features=gaussians.features[:, channels])
        images = emulation.forward(part, camera, SIZE)
        np.testing.assert_array_equal(images[0], outputs[0][..., channels])
        rest = cotangents[1:] if channels.start == 0 else tuple(np.zeros_like(c) for c in cotangents[1:])
        gradient = emulation.backward(part, camera, SIZE, images, (cotangents[0][..., channels], *rest))
        for k, array in enumerate(gradient):
            if FIELDS[k] == "features":
                assert relative_error(array, whole[k][:, channels]) < RENDER_GRADIENTS
            else:
                total[k] += array
    for name, ours, expected in zip(FIELDS, total, whole, strict=True):
        if name != "features":
            assert relative_error(ours, expected) < RENDER_GRADIENTS, name


STEPS = dict(means=1e-4, quats=1e-3, scales=1e-4, opacities=1e-3, features=1e-2, world_to_camera=3e-5, intrinsics=1e-2)

# The entries of the camera's matrices that a pinhole camera without skew is made of.
MEANINGFUL = dict(
    world_to_camera=np.array([[1, 1, 1, 1]] * 3 + [[0, 0, 0, 0]], bool),
    intrinsics=np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]], bool),
)


@pytest.mark.parametrize("field", FIELDS)
def test_gradients_are_finite_differences(field):
    """Of the same kernels, built without the steps of their thresholds: along random directions of one field."""
    gaussians, camera = cloud(60, 3, seed=20, scale=0.1), portrait_camera(*SIZE)
    gaussians = gaussians._replace(opacities=0.9 * gaussians.opacities)  # below where alpha is clamped
    scene = dict(zip(FIELDS, (*gaussians, *camera), strict=True))
    cotangents = random_cotangents(*SIZE, 3)

    def value(array) -> float:
        *changed, world_to_camera, intrinsics = (scene | {field: array}).values()
        outputs = emulation.forward(Gaussians(*changed), Camera(world_to_camera, intrinsics), SIZE)
        return sum(float((c.astype(np.float64) * image).sum()) for c, image in zip(cotangents, outputs, strict=False))

    rng = np.random.default_rng(0)
    center = np.asarray(scene[field], np.float64)
    with emulation.without_steps():
        outputs = emulation.forward(gaussians, camera, SIZE)
        gradient = emulation.backward(gaussians, camera, SIZE, outputs, cotangents)[FIELDS.index(field)]
        for _ in range(3):
            direction = rng.normal(size=center.shape)
            if field in MEANINGFUL:
                direction *= MEANINGFUL[field]
                np.testing.assert_allclose(np.where(MEANINGFUL[field], 0.0, gradient), 0.0, **EXACT)
            step = STEPS[field] * direction
            slope = (value(center + step) - value(center - step)) / 2
            expected = float((gradient * step).sum())
            scale = np.abs(gradient * step).sum()
            assert abs(slope - expected) <= FINITE_DIFFERENCES * scale
