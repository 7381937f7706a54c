"""89,000 Gaussians at 512x512: pixels against an independent float64 computation, and the identities of blending."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.benchmarks.scenes import Case, build_case
from omg_jax.splat import rasterize
from omg_jax.types import Gaussians
from tests.kernels.splat_scenes import cloud, portrait_camera, random_cotangents
from tests.tolerances import EXACT, RENDER_GRADIENTS, RENDER_IDENTITY, RENDERED_PIXELS

SIZE = (512, 512)


@pytest.fixture(scope="module")
def head():
    """(gaussians, camera, output, cotangent of features, gradient) of the benchmark's largest scene, 32 channels."""
    gaussians, camera = jax.tree.map(lambda x: x[0], build_case(Case("ellipsoid-89k", SIZE[0], 32)))
    cotangent = random_cotangents(*SIZE, 32)[0]
    output, pull_back = jax.vjp(lambda g: rasterize(g, camera, SIZE), gaussians)
    zero = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype if a.dtype == np.float32 else jax.dtypes.float0), output)
    return gaussians, camera, output, cotangent, pull_back(zero._replace(features=cotangent))[0]


def project(gaussians, camera):
    """(means, inverse covariances, depths) in pixels by a textbook float64 computation."""
    means, quats, scales = (np.asarray(a, np.float64) for a in gaussians[:3])
    matrix, intrinsics = (np.asarray(a, np.float64) for a in camera)
    x, y, z = points = matrix[:3, :3] @ means.T + matrix[:3, 3:]
    fx, fy = intrinsics[0, 0], intrinsics[1, 1]
    zero = np.zeros_like(z)
    jacobian = np.array([[fx / z, zero, -fx * x / z**2], [zero, fy / z, -fy * y / z**2]]).transpose(2, 0, 1)
    axes = np.stack([rotate(quats, np.eye(3)[i]) for i in range(3)], axis=-1) * scales[:, None]
    spread = jacobian @ matrix[:3, :3] @ axes
    covariances = spread @ spread.transpose(0, 2, 1) + 0.3 * np.eye(2)
    pixels = intrinsics[:2] @ (points / z)
    return pixels.T, np.linalg.inv(covariances), z


def rotate(quats, vector):
    """Vectors turned by unit quaternions: v + 2 q x (q x v + w v)."""
    w, q = quats[:, :1], quats[:, 1:]
    return vector + 2 * np.cross(q, np.cross(q, vector) + w * vector)


def blend(pixel, splats, gaussians):
    """(features, alpha, depth) of one pixel, one Gaussian after the other."""
    means, conics, depths = splats
    offsets = pixel + 0.5 - means
    near = np.flatnonzero(np.abs(offsets).max(axis=1) < 64)
    offsets, opacities = offsets[near], np.asarray(gaussians.opacities, np.float64)[near]
    alphas = np.minimum(0.99, opacities * np.exp(-0.5 * np.einsum("ni,nij,nj->n", offsets, conics[near], offsets)))
    colour, depth, transmittance = np.zeros(gaussians.features.shape[1]), 0.0, 1.0
    # The order is that of depths in float32: neighbours on the head are often closer than that tells apart.
    for i in np.argsort(depths[near].astype(np.float32), kind="stable"):
        if alphas[i] < 1 / 255:
            continue
        if transmittance * (1 - alphas[i]) <= 1e-4:
            break
        weight = alphas[i] * transmittance
        colour += weight * np.asarray(gaussians.features[near[i]], np.float64)
        depth += weight * depths[near[i]]
        transmittance *= 1 - alphas[i]
    return colour, 1 - transmittance, depth


def test_sampled_pixels_agree_with_float64(head):
    gaussians, camera, output, _, _ = head
    gaussians = Gaussians(*(np.asarray(a) for a in gaussians))
    features, alpha, depth = (np.asarray(a) for a in output[:3])
    splats = project(gaussians, camera)
    pixels = np.random.default_rng(0).integers(100, 412, (250, 2))  # (x, y), mostly on the head
    wrong = 0
    for x, y in pixels:
        expected = blend(np.array([x, y]), splats, gaussians)
        ours = features[y, x], alpha[y, x], depth[y, x]
        wrong += not all(np.allclose(a, b, **RENDERED_PIXELS) for a, b in zip(ours, expected, strict=True))
    assert wrong <= 1  # of 250 pixels: a share of 1e-4 seldom shows, and one may
    assert (alpha[pixels[:, 1], pixels[:, 0]] > 0.5).mean() > 0.5


def test_features_are_linear(head):
    """sum(out * g) = sum(features * d features), channel by channel: the blending is linear in the features."""
    gaussians, _, output, cotangent, gradient = head
    image = (np.asarray(output.features, np.float64) * cotangent).sum(axis=(0, 1))
    source = (np.asarray(gaussians.features, np.float64) * np.asarray(gradient.features)).sum(axis=0)
    size = np.abs(np.asarray(output.features, np.float64) * cotangent).sum(axis=(0, 1))
    np.testing.assert_allclose((image - source) / size, 0.0, rtol=0, atol=RENDER_IDENTITY["rtol"])


def test_channels_are_independent(head):
    """32 channels are what 3 + 29 are: images to the bit, and the gradients of geometry add up."""
    gaussians, camera, output, cotangent, gradient = head
    parts = []
    for channels in (slice(0, 3), slice(3, 32)):
        part = gaussians._replace(features=gaussians.features[:, channels])
        image, pull_back = jax.vjp(lambda g: rasterize(g, camera, SIZE).features, part)
        np.testing.assert_allclose(image, output.features[..., channels], **EXACT)
        parts.append(pull_back(jnp.asarray(cotangent[..., channels]))[0])
    np.testing.assert_allclose(jnp.concatenate([p.features for p in parts], axis=-1), gradient.features, **EXACT)
    for name in ("means", "scales", "opacities"):  # the turn of a ball has no gradient
        total, whole = getattr(parts[0], name) + getattr(parts[1], name), getattr(gradient, name)
        assert np.linalg.norm(total - whole) <= RENDER_GRADIENTS * np.linalg.norm(whole), name


def test_the_order_of_the_gaussians_does_not_matter():
    """Unless depths are equal: here they are 2^-12 apart, which float32 holds."""
    count, camera = 4000, portrait_camera(256, 256)
    gaussians, order = cloud(count, 3), np.random.default_rng(5).permutation(count)
    heights = (np.random.default_rng(6).permutation(count) - count / 2) / 4096
    gaussians = gaussians._replace(means=gaussians.means.at[:, 2].set(heights))

    def value_and_gradient(gaussians):
        output, pull_back = jax.vjp(lambda g: rasterize(g, camera, (256, 256))[:3], gaussians)
        return output, pull_back(random_cotangents(256, 256, 3))[0]

    output, gradient = value_and_gradient(gaussians)
    shuffled_output, shuffled_gradient = value_and_gradient(jax.tree.map(lambda a: a[order], gaussians))
    for ours, theirs in zip(shuffled_output, output, strict=True):
        np.testing.assert_allclose(ours, theirs, **EXACT)
    for ours, theirs in zip(shuffled_gradient, gradient, strict=True):
        np.testing.assert_allclose(ours, theirs[order], **EXACT)
