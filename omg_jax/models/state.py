"""Modules as pure pytrees: Flax NNX modules are split into a static graph, trainable arrays and constants."""

from collections.abc import Callable

import jax
from flax import nnx


class Constant(nnx.Variable):
    """An array (or a NamedTuple of arrays) that a module owns and training leaves alone."""


def split_model(model: nnx.Module) -> tuple[nnx.GraphDef, dict, nnx.State]:
    """(graphdef, params, constants); params is a plain nested dict of arrays, ready for jax and optax."""
    graphdef, params, constants = nnx.split(model, nnx.Param, Constant)
    return graphdef, nnx.to_pure_dict(params), constants


def split_shapes(make: Callable[[], nnx.Module]) -> tuple[nnx.GraphDef, dict, nnx.State]:
    """split_model(make()) with the params' shapes in place of their values, for models whose weights are loaded.

    Random initial values would cost a compilation for every shape, most of a minute for a whole model.
    """
    graphdefs = []

    def parts() -> tuple[dict, nnx.State]:
        graphdef, params, constants = split_model(make())
        graphdefs.append(graphdef)
        return params, constants

    params, _ = jax.eval_shape(parts)
    constants = jax.jit(lambda: parts()[1])()  # the compiler drops whatever only the params need
    return graphdefs[0], params, constants


def merge_model(graphdef: nnx.GraphDef, params: dict, constants: nnx.State) -> nnx.Module:
    """The module that split_model took apart, around these params."""
    return nnx.merge(graphdef, nnx.State(params), constants)
