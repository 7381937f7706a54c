"""Modules taken apart and put together."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from omg_jax.models.state import Constant, merge_model, split_model, split_shapes


class Affine(nnx.Module):
    """A layer with something learned and something fixed."""

    def __init__(self, seed: int):
        self.layer = nnx.Linear(3, 2, rngs=nnx.Rngs(seed))
        self.shift = Constant(jnp.arange(2.0) + 1.0)

    def __call__(self, x):
        return self.layer(x) + self.shift[...]


def test_split_shapes_makes_the_same_model_around_given_weights():
    x = jnp.ones((4, 3))
    _, weights, _ = split_model(Affine(seed=1))
    graphdef, shapes, constants = split_shapes(lambda: Affine(seed=0))
    assert jax.tree.structure(shapes) == jax.tree.structure(weights)
    assert jax.tree.map(lambda a: a.shape, shapes) == jax.tree.map(lambda a: a.shape, weights)
    np.testing.assert_array_equal(merge_model(graphdef, weights, constants)(x), Affine(seed=1)(x))


def test_constants_are_no_params():
    _, params, constants = split_model(Affine(seed=0))
    assert set(params) == {"layer"}
    np.testing.assert_array_equal(jax.tree.leaves(constants)[0], [1.0, 2.0])
