"""The light refiner: the convolutions that it rearranges give what the plain ones give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.config import UNetConfig
from omg_jax.models.unet import UNetRefiner, activate, convolve, convolve_by_blocks, convolve_enlarged
from tests.tolerances import FLOAT32_ROUNDING


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
    return (1 - gate * shown) * coarse + gate * found + refiner.last(x)[..., :3]


@pytest.mark.parametrize("look_up", [False, True])
def test_the_refiner_is_the_plain_unet_in_value_and_gradient(look_up):
    refiner = UNetRefiner(5, UNetConfig(widths=(4, 6), look_up=look_up), rngs=nnx.Rngs(0))
    refiner.last.kernel[...] = random(*refiner.last.kernel.shape)
    features = random(2, 8, 12, 5)
    looked_up = (random(2, 8, 12, 3), jax.random.uniform(jax.random.key(1), (2, 8, 12, 1)))
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
