"""Modules as pure pytrees: Flax NNX modules are split into a static graph, trainable arrays and constants."""

from flax import nnx


class Constant(nnx.Variable):
    """An array (or a NamedTuple of arrays) that a module owns and training leaves alone."""


def split_model(model: nnx.Module) -> tuple[nnx.GraphDef, dict, nnx.State]:
    """(graphdef, params, constants); params is a plain nested dict of arrays, ready for jax and optax."""
    graphdef, params, constants = nnx.split(model, nnx.Param, Constant)
    return graphdef, nnx.to_pure_dict(params), constants


def merge_model(graphdef: nnx.GraphDef, params: dict, constants: nnx.State) -> nnx.Module:
    """The module that split_model took apart, around these params."""
    return nnx.merge(graphdef, nnx.State(params), constants)
