"""What the network computes in: bfloat16 on a GPU, where that is several times as fast, float32 everywhere else.

Only the trunks take bfloat16: the vision transformer, pyramid, transformer, the MLPs' hidden layers and the refiner.
Parameters, geometry, sampling positions, the rasterizer and what a Gaussian's attributes come from stay in float32.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

Precision = Literal["auto", "float32", "bfloat16"]

# Their last layers give positions, scales and colours, for which eight bits are too few.
HEADS = {"offset_head", "gaussian_heads", "plane_head"}
HEAD_OUTPUTS = {"last", "out"}
# The style code is one vector for a picture: nothing to gain.
STYLE = {"to_style", "style_mlp", "modulation"}


def compute_dtype(precision: Precision) -> jnp.dtype:
    """The dtype that a precision stands for on this machine's default device."""
    half = precision == "bfloat16" or (precision == "auto" and jax.default_backend() == "gpu")
    return jnp.dtype(jnp.bfloat16 if half else jnp.float32)


def compute_in(model: nnx.Module, dtype: DTypeLike) -> None:
    """Sets a model's trunks to compute in dtype; their parameters stay what they are."""
    for path, part in nnx.iter_graph(model):
        if isinstance(part, nnx.Linear | nnx.Conv | nnx.LayerNorm) and is_trunk(path):
            part.dtype = jnp.dtype(dtype)


def is_trunk(path: tuple) -> bool:
    """Whether the layer at a path in the model is one that may compute in fewer bits."""
    names = set(path)
    return not names & STYLE and not (names & HEADS and names & HEAD_OUTPUTS)
