"""The light refiner: the convolutions that it rearranges give what the plain ones give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.config import UNetConfig
from omg_jax.models.unet import UNetRefiner, activate, convolve, convolve_by_blocks, convolve_enlarged, smooth
from tests.tolerances import FLOAT32_ROUNDING, GUESSED_DETAIL, GUESSED_LIGHT


def random(*shape: int) -> jax.Array:
    """Uniform numbers whose sums over a kernel stay of order one."""
    return jnp.asarray(np.random.default_rng(len(shape)).uniform(-0.5, 0.5, size=shape), jnp.float32)


def enlarge(x):
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (6, 4)])
def test_convolving_the_enlarged_picture_needs_no_enlarged_picture(size):
    x, kernel = random(2, *size, 7), random(3, 3, 7, 4)
    np.testing.assert_allclose(convolve_enlarged(x, kernel), convolve(enlarge(x), kernel), **FLOAT32_ROUNDING)


@pytest.mark.parametrize("size", [(2, 2), (4, 10)])
def test_convolving_by_blocks_is_convolving(size):
    x, kernel = random(2, *size, 7), random(3, 3, 7, 3)
    np.testing.assert_allclose(convolve_by_blocks(x, kernel), convolve(x, kernel), **FLOAT32_ROUNDING)


def plain(refiner: UNetRefiner, features, looked_up=None):
    """The refiner as its layers stand in a drawing of it."""
    coarse = features[..., :3]
    if looked_up is not None:
        features = jnp.concatenate([features, *looked_up], axis=-1)
    x, skips = activate(refiner.first(features)), []
    for down, refine in zip(refiner.down, refiner.refine, strict=True):
        skips.append(x)
        x = activate(down(x))
        x = activate(x + refine(x))
    for up, skip in zip(reversed(list(refiner.up)), reversed(skips), strict=True):
        x = activate(up(jnp.concatenate([skip, enlarge(x)], axis=-1)))
    if looked_up is None:
        return coarse + refiner.last(x)
    (found, shown), gate = looked_up, nnx.sigmoid(refiner.last(x)[..., 3:])
    residual = refiner.last(x)[..., :3]
    residual = residual + shown * (plain_smooth(residual, shown) - residual)
    return (1 - gate * shown) * coarse + gate * found + residual


def test_smoothing_is_a_weighted_mean_of_blocks_interpolated_between_them():
    x, weights = np.asarray(random(1, 24, 32, 2)), np.random.default_rng(1).random((1, 24, 32, 1), np.float32)
    weights[:, :, 24:] = 0.0
    expected = plain_smooth(jnp.asarray(x), jnp.asarray(weights))
    np.testing.assert_allclose(smooth(jnp.asarray(x), jnp.asarray(weights)), expected, **FLOAT32_ROUNDING)
    even = smooth(jnp.ones((1, 24, 32, 1)), jnp.asarray(weights))[0, :, :24]
    np.testing.assert_allclose(even, 1.0, **FLOAT32_ROUNDING)
    np.testing.assert_array_equal(smooth(jnp.asarray(x), jnp.zeros((1, 24, 32, 1))), 0.0)


def plain_smooth(x, weights):
    """Sums over blocks of eight pixels and their neighbours as matrices, and linear interpolation between them."""

    def matrix(size):
        blocks = size // 8
        sums = np.kron(np.eye(blocks), np.ones(8))
        sums = np.array([sums[max(i - 1, 0) : i + 2].sum(axis=0) for i in range(blocks)])
        positions = np.arange(size) / 8 - 7 / 16
        return np.array([np.interp(positions, np.arange(blocks), column) for column in sums.T]).T.astype(np.float32)

    rows, columns = (matrix(size) for size in x.shape[1:3])
    total, count = (jnp.einsum("ih,bhwc,jw->bijc", rows, y, columns) for y in (weights * x, weights))
    return total / jnp.maximum(count, 1.0)


def test_detail_of_what_the_photo_shows_is_the_photo_s():
    """A guess at every pixel moves no pixel against its neighbours."""
    refiner = UNetRefiner(5, UNetConfig(widths=(4, 6), look_up=True), rngs=nnx.Rngs(0))
    refiner.last.kernel[...] = random(*refiner.last.kernel.shape)
    features, shown = random(1, 32, 32, 5), jnp.ones((1, 32, 32, 1))
    features = features.at[..., :3].set(0.5)
    found = jnp.full((1, 32, 32, 3), 0.5)
    added = np.asarray(refiner(features, (found, shown)) - 0.5)
    free = np.asarray(refiner(features, (found, 0 * shown)))
    assert np.abs(np.diff(added, axis=1)).max() < GUESSED_DETAIL * np.abs(np.diff(free, axis=1)).max()
    assert np.abs(added).max() > GUESSED_LIGHT


@pytest.mark.parametrize("look_up", [False, True])
def test_the_refiner_is_the_plain_unet_in_value_and_gradient(look_up):
    refiner = UNetRefiner(5, UNetConfig(widths=(4, 6), look_up=look_up), rngs=nnx.Rngs(0))
    refiner.last.kernel[...] = random(*refiner.last.kernel.shape)
    features = random(2, 8, 16, 5)
    looked_up = (random(2, 8, 16, 3), jax.random.uniform(jax.random.key(1), (2, 8, 16, 1)))
    given = (features, looked_up) if look_up else (features,)
    np.testing.assert_allclose(refiner(*given), plain(refiner, *given), **FLOAT32_ROUNDING)
    graphdef, weights = nnx.split(refiner)

    def gradients(run):
        return jax.jit(jax.grad(lambda w: jnp.mean(run(nnx.merge(graphdef, w), *given) ** 2)))(weights)

    ours, theirs = gradients(lambda model, *x: model(*x)), gradients(plain)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **FLOAT32_ROUNDING), ours, theirs)


@pytest.mark.parametrize("size", [(8, 6), (10, 8)])
def test_a_picture_that_cannot_be_halved_is_refused(size):
    refiner = nnx.eval_shape(lambda: UNetRefiner(5, UNetConfig(widths=(4, 6, 8)), rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match="multiples of 4"):
        refiner(random(1, *size, 5))
