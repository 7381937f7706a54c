"""Random arrays, modules filled with parameters, and torch's convolution by its definition."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(0.0, 1.0, shape).astype(np.float32)


def applied(module: nnx.Module, params: dict, *inputs: np.ndarray) -> np.ndarray:
    """What the module makes of its inputs with these parameters."""
    graphdef, state = nnx.split(module)
    nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, params))
    return np.asarray(nnx.merge(graphdef, state)(*map(jnp.asarray, inputs)))


def correlate(x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """torch's convolution: out[o, y, x] = sum of weight[o, i, k, l] * padded[i, stride*y + k, stride*x + l]."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (padding, padding), (padding, padding)))
    size = weight.shape[-1]
    rows, columns = ((side - size) // stride + 1 for side in padded.shape[1:])
    out = np.zeros((weight.shape[0], rows, columns))
    for y in range(rows):
        for x in range(columns):
            window = padded[:, stride * y : stride * y + size, stride * x : stride * x + size]
            out[:, y, x] = np.einsum("oikl,ikl->o", weight, window)
    return out
