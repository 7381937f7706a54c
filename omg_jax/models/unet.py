"""The light refiner of the small preset: a residual UNet over the splatted features."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import UNetConfig

LEAK = 0.2


def activate(x: Array) -> Array:
    """Leaky ReLU with slope 0.2."""
    return nnx.leaky_relu(x, LEAK)


def enlarge(x: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
    """Every pixel becomes a 2 x 2 block."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


class UNetRefiner(nnx.Module):
    """Splatted features -> RGB: the coarse colour (their first three channels) plus a learned residual.

    The residual starts at zero, so an untrained refiner passes the coarse picture through. Height and width must be
    multiples of 2^(number of widths - 1). The result is not clipped.
    """

    def __init__(self, inputs: int, config: UNetConfig, *, rngs: nnx.Rngs):
        def conv(i: int, o: int, stride: int = 1):
            return nnx.Conv(i, o, (3, 3), strides=stride, rngs=rngs)

        widths = config.widths
        self.first = conv(inputs, widths[0])
        self.down = nnx.List([conv(i, o, 2) for i, o in zip(widths[:-1], widths[1:], strict=True)])
        self.refine = nnx.List([conv(w, w) for w in widths[1:]])
        self.up = nnx.List([conv(o + i, i) for i, o in zip(widths[:-1], widths[1:], strict=True)])
        self.last = nnx.Conv(widths[0], 3, (3, 3), kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(self, features: Float[Array, "b h w c"]) -> Float[Array, "b h w 3"]:
        x = activate(self.first(features))
        skips = []
        for down, refine in zip(self.down, self.refine, strict=True):
            skips.append(x)
            x = activate(down(x))
            x = activate(x + refine(x))
        for up, skip in zip(reversed(list(self.up)), reversed(skips), strict=True):
            x = activate(up(jnp.concatenate([skip, enlarge(x)], axis=-1)))
        return features[..., :3] + self.last(x)
