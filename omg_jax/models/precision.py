"""What the network computes in: bfloat16 on a GPU, where that is several times as fast, float32 everywhere else.

Only the trunks take bfloat16: the vision transformer, pyramid, transformer, the MLPs' hidden layers and the refiner.
Parameters, geometry, sampling positions, the rasterizer and the layers that give a Gaussian's attributes or a picture's
colours stay in float32. Products of float32 arrays are of that precision too (``full_float32``).
"""

import functools
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

Precision = Literal["auto", "float32", "bfloat16"]

P, R = ParamSpec("P"), TypeVar("R")

# Their last layers give positions, scales and colours, for which eight bits are too few. (StyleUNet's, to_rgb and
# start_rgb, have no dtype of their own: they compute in that of their biases.)
HEADS = {"offset_head", "gaussian_heads", "plane_head", "refiner"}
HEAD_OUTPUTS = {"last", "out"}
# The style code is one vector for a picture: nothing to gain.
STYLE = {"to_style", "style_mlp", "modulation"}


def compute_dtype(precision: Precision) -> jnp.dtype:
    """The dtype that a precision stands for on this machine's default device."""
    half = precision == "bfloat16" or (precision == "auto" and jax.default_backend() == "gpu")
    return jnp.dtype(jnp.bfloat16 if half else jnp.float32)


def full_float32(function: Callable[P, R]) -> Callable[P, R]:
    """The function, its products of float32 arrays in full: a GPU's own default rounds them to TF32's eleven bits."""

    @functools.wraps(function)
    def in_full(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return in_full


def compute_in(model: nnx.Module, dtype: DTypeLike) -> None:
    """Sets a model's trunks to compute in dtype; their parameters stay what they are."""
    for path, part in nnx.iter_graph(model):
        if isinstance(part, nnx.Linear | nnx.Conv | nnx.LayerNorm) and is_trunk(path):
            part.dtype = jnp.dtype(dtype)


def is_trunk(path: tuple) -> bool:
    """Whether the layer at a path in the model is one that may compute in fewer bits."""
    names = set(path)
    return not names & STYLE and not (names & HEADS and names & HEAD_OUTPUTS)


def round_weights(model: nnx.Module) -> None:
    """Stores the weights of layers that compute in fewer bits as these round them, once instead of at every call.

    Layers of a class of their own are left alone: they reckon with their weights before they round.
    """
    for _, part in nnx.iter_graph(model):
        if type(part) in (nnx.Linear, nnx.Conv) and part.dtype is not None:
            for weights in (part.kernel, part.bias):
                if weights is not None:
                    weights.set_value(weights.get_value().astype(part.dtype))
