"""The light refiner of the small preset: a residual UNet over the splatted features."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import UNetConfig

LEAK = 0.2
SMOOTH_BLOCK = 16  # pixels: half an eye's width in a frame of 512 x 512
START_GATE_LOGIT = 2.0  # nine tenths: from a half, training opens the gate in thousands of steps only


def activate(x: Array) -> Array:
    """Leaky ReLU with slope 0.2."""
    return nnx.leaky_relu(x, LEAK)


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k l c o"], stride: int = 1, padding: str | tuple = "SAME"
) -> Float[Array, "b i j o"]:
    """Cross-correlation over rows and columns."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel.astype(x.dtype), (stride, stride), padding, dimension_numbers=layout
    )


def spread_blocks(x: Float[Array, "b h w c"]) -> Float[Array, "b i j o"]:
    """Channels (row, column, channel) of every pixel become a block of 2 x 2 pixels."""
    b, h, w, c = x.shape
    blocks = x.reshape(b, h, w, 2, 2, c // 4).swapaxes(2, 3)
    return blocks.reshape(b, 2 * h, 2 * w, c // 4)


def convolve_enlarged(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c o"]) -> Float[Array, "b i j o"]:
    """The 3x3 convolution of x with every pixel repeated in a block of 2 x 2, which is never made.

    Within a block two of a kernel's three rows (and columns) meet the same pixel. So each of a block's four pixels is a
    2x2 convolution of x by sums of the kernel's rows and columns: 4 products instead of 9.
    """

    def halves(taps: Array, axis: int) -> tuple[Array, Array]:
        first, middle, last = jnp.split(taps, 3, axis)
        return jnp.concatenate([first, middle + last], axis), jnp.concatenate([first + middle, last], axis)

    rows = []
    for i, half in enumerate(halves(kernel, 0)):
        pixels = [convolve(x, taps, padding=((1 - i, i), (1 - j, j))) for j, taps in enumerate(halves(half, 1))]
        rows.append(jnp.stack(pixels, axis=3))
    blocks = jnp.stack(rows, axis=2)
    b, h, _, w, _, o = blocks.shape
    return blocks.reshape(b, 2 * h, 2 * w, o)


def convolve_by_blocks(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c o"]) -> Float[Array, "b h w o"]:
    """The 3x3 convolution as one of stride two that gives a block of 2 x 2 pixels at a time; h and w are even.

    For a few output channels, which fill no vector: four times as many do, in less time although 16 of its 36 products
    are with zeros.
    """
    shifted = [jnp.pad(kernel, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i in (0, 1) for j in (0, 1)]
    return spread_blocks(convolve(x, jnp.concatenate(shifted, axis=-1), stride=2, padding=((1, 1), (1, 1))))


def smooth(x: Float[Array, "b h w c"], weights: Float[Array, "b h w 1"]) -> Float[Array, "b h w c"]:
    """The weighted mean of 3 x 3 blocks around every pixel, bilinear between blocks' centres; weights from 0 to 1.

    Blocks have SMOOTH_BLOCK pixels a side, or the largest divisor of it that divides h and w. The mean fades out where
    the weights of all nine blocks come to less than a pixel's.
    """
    (b, h, w, c), block = x.shape, math.gcd(SMOOTH_BLOCK, *x.shape[1:3])
    sums = jnp.concatenate([weights * x, weights], axis=-1).reshape(b, h // block, block, w // block, block, c + 1)
    sums = jax.lax.reduce_window(sums.sum(axis=(2, 4)), 0.0, jax.lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    sums = jax.image.resize(sums, (b, h, w, c + 1), "bilinear")
    return sums[..., :c] / jnp.maximum(sums[..., c:], 1.0)


class SkipConv(nnx.Conv):
    """The 3x3 convolution of a skip's channels and, enlarged, the coarser ones, side by side."""

    def join(self, skip: Float[Array, "b h w c"], coarser: Float[Array, "b i j d"]) -> Float[Array, "b h w o"]:
        """The convolution of both, neither enlarged nor put together."""
        of_skip, of_coarser = jnp.split(self.kernel[...], [skip.shape[-1]], axis=2)
        return convolve(skip, of_skip) + convolve_enlarged(coarser, of_coarser) + self.bias[...].astype(skip.dtype)


class UNetRefiner(nnx.Module):
    """Splatted features -> RGB: the coarse colour (their first three channels) plus a learned residual.

    With config.look_up the coarse colour is first blended, by a learned gate per pixel, with what was looked up in the
    photo (see omg_jax.models.lookup): ``coarse + gate (found - shown coarse)``. The gate starts nearly open.

    Where the photo shows a pixel, of the residual only the smooth part is added (see smooth), even where the gate does
    not take the photo's colour: light changes as a head turns, but guesses at what is fine in a face take from the
    likeness. Ours; CSIM of driven photos rose by .006.

    The residual starts at zero, so an untrained refiner passes this picture through. Height and width must be
    even, and multiples of 2^(number of widths - 1), else ValueError. The result is not clipped.

    On the way up the convolutions see the skip's channels and the enlarged coarser ones side by side; neither the
    enlarged picture nor the pair of both is ever made, which is a third of the refiner's time on a CPU.
    """

    def __init__(self, inputs: int, config: UNetConfig, *, rngs: nnx.Rngs):
        def conv(i: int, o: int, stride: int = 1):
            return nnx.Conv(i, o, (3, 3), strides=stride, rngs=rngs)

        widths, look_up = config.widths, config.look_up
        self.first = conv(inputs + (4 if look_up else 0), widths[0])
        self.down = nnx.List([conv(i, o, 2) for i, o in zip(widths[:-1], widths[1:], strict=True)])
        self.refine = nnx.List([conv(w, w) for w in widths[1:]])
        self.up = nnx.List([
            SkipConv(o + i, i, (3, 3), rngs=rngs) for i, o in zip(widths[:-1], widths[1:], strict=True)
        ])
        outputs, zeros = 4 if look_up else 3, nnx.initializers.zeros_init()
        self.last = nnx.Conv(widths[0], outputs, (3, 3), kernel_init=zeros, rngs=rngs)
        if look_up:
            self.last.bias[...] = self.last.bias[...].at[3].set(START_GATE_LOGIT)

    def __call__(
        self,
        features: Float[Array, "b h w c"],
        looked_up: tuple[Float[Array, "b h w 3"], Float[Array, "b h w 1"]] | None = None,
    ) -> Float[Array, "b h w 3"]:
        """looked_up: what was found in the photo and how much of a pixel it shows, where config.look_up is set."""
        multiple, (height, width) = 2 ** max(len(self.down), 1), features.shape[1:3]
        if height % multiple or width % multiple:
            raise ValueError(
                f"features: expected height and width to be multiples of {multiple}, got {height} x {width}; render at "
                "such a size, or without the refiner"
            )
        coarse = features[..., :3]
        if looked_up is not None:
            features = jnp.concatenate([features, *looked_up], axis=-1)
        x = activate(self.first(features))
        skips = []
        for down, refine in zip(self.down, self.refine, strict=True):
            skips.append(x)
            x = activate(down(x))
            x = activate(x + refine(x))
        for up, skip in zip(reversed(list(self.up)), reversed(skips), strict=True):
            x = activate(up.join(skip, x))
        kernel, bias = self.last.kernel[...], self.last.bias[...]
        residual = convolve_by_blocks(x.astype(kernel.dtype), kernel) + bias
        if looked_up is None:
            return coarse + residual
        found, shown = looked_up
        gate, residual = nnx.sigmoid(residual[..., 3:]), residual[..., :3]
        residual = (1.0 - shown) * residual + shown * smooth(residual, shown)
        return coarse + gate * (found - shown * coarse) + residual
