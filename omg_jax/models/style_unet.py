"""The paper preset's refiner: a UNet that steers a StyleGAN2-like decoder (GFPGAN's construction, light widths).

The UNet reads the splatted features down to 4 x 4 pixels. From there come one style vector for the whole picture, and,
on the way up again, a scale and a shift for the decoder's features at every resolution.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

LIGHT_WIDTHS = (128, 128, 128, 128, 128, 64, 32, 16)  # channels of the UNet at 4, 8, ... 512 pixels
STYLE_WIDTH = 512
STYLE_LAYERS = 8
LEAK = 0.2

_COARSEST = 4  # pixels
_EPSILON = 1e-8
_LEAKY_HE = nnx.initializers.variance_scaling(2.0 / (1.0 + LEAK**2), "fan_in", "normal")
_FAN_IN = nnx.initializers.variance_scaling(1.0, "fan_in", "normal")


def activate(x: Array) -> Array:
    """Leaky ReLU with slope 0.2."""
    return nnx.leaky_relu(x, LEAK)


def halve(x: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
    """Bilinear resize to half the size at pixel centres: the mean of every 2 x 2 block."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def double(x: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
    """Bilinear resize to twice the size at pixel centres, borders repeated."""
    return _double_axis(_double_axis(x, 1), 2)


def _double_axis(x: Array, axis: int) -> Array:
    size = x.shape[axis]
    first, last = (jax.lax.slice_in_dim(x, i, i + 1, axis=axis) for i in (0, size - 1))
    before = jnp.concatenate([first, jax.lax.slice_in_dim(x, 0, size - 1, axis=axis)], axis)
    after = jnp.concatenate([jax.lax.slice_in_dim(x, 1, size, axis=axis), last], axis)
    pairs = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
    return pairs.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])


def _conv(inputs: int, outputs: int, size: int, rngs: nnx.Rngs, use_bias: bool = True) -> nnx.Conv:
    return nnx.Conv(inputs, outputs, (size, size), use_bias=use_bias, kernel_init=_LEAKY_HE, rngs=rngs)


class ResidualBlock(nnx.Module):
    """Two 3x3 convolutions with a change of resolution between them, beside a 1x1 convolution of the resized input."""

    def __init__(self, inputs: int, outputs: int, resize: Callable[[Array], Array], *, rngs: nnx.Rngs):
        self.resize = resize
        self.first = _conv(inputs, inputs, 3, rngs)
        self.second = _conv(inputs, outputs, 3, rngs)
        self.skip = _conv(inputs, outputs, 1, rngs, use_bias=False)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
        residual = activate(self.second(self.resize(activate(self.first(x)))))
        return residual + self.skip(self.resize(x))


class Condition(nnx.Module):
    """UNet features to one scale or shift for each of the decoder's channels, which are twice as many.

    It starts as the constant ``start``: features of an untrained UNet would saturate the picture.
    """

    def __init__(self, width: int, start: float, *, rngs: nnx.Rngs):
        self.first = _conv(width, width, 3, rngs)
        zeros, constant = nnx.initializers.zeros_init(), nnx.initializers.constant(start)
        self.second = nnx.Conv(width, 2 * width, (3, 3), kernel_init=zeros, bias_init=constant, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
        return self.second(activate(self.first(x)))


class ModulatedConv(nnx.Module):
    """A convolution whose input channels are scaled by the style, and, demodulated, whose outputs are scaled back to
    unit variance (StyleGAN2)."""

    def __init__(self, inputs: int, outputs: int, size: int, style: int, *, demodulate: bool, rngs: nnx.Rngs):
        self.demodulate = demodulate
        self.kernel = nnx.Param(_FAN_IN(rngs.params(), (size, size, inputs, outputs)))
        self.modulation = nnx.Linear(
            style, inputs, kernel_init=_FAN_IN, bias_init=nnx.initializers.ones_init(), rngs=rngs
        )

    def __call__(self, x: Float[Array, "b h w c"], style: Float[Array, "b s"]) -> Float[Array, "b h w d"]:
        # Scaling the channels around one shared convolution equals scaling the kernel for each picture, and is cheaper.
        kernel, scale = self.kernel[...], self.modulation(style)
        layout = ("NHWC", "HWIO", "NHWC")
        x = x * scale[:, None, None, :].astype(x.dtype)
        y = jax.lax.conv_general_dilated(x, kernel.astype(x.dtype), (1, 1), "SAME", dimension_numbers=layout)
        if not self.demodulate:
            return y
        variance = jnp.square(scale) @ jnp.sum(jnp.square(kernel), axis=(0, 1))
        return y * jax.lax.rsqrt(variance + _EPSILON)[:, None, None, :].astype(y.dtype)


class StyleConv(nnx.Module):
    """A demodulated 3x3 convolution times sqrt(2), plus noise by a learned gain (0 at first), plus bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, style: int, *, rngs: nnx.Rngs):
        self.conv = ModulatedConv(inputs, outputs, 3, style, demodulate=True, rngs=rngs)
        self.noise_gain = nnx.Param(jnp.zeros(()))
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(
        self, x: Float[Array, "b h w c"], style: Float[Array, "b s"], noise_key: Array | None
    ) -> Float[Array, "b h w d"]:
        y = jnp.sqrt(2.0) * self.conv(x, style)
        if noise_key is not None:
            noise = self.noise_gain[...] * jax.random.normal(noise_key, (*y.shape[:3], 1))
            y = y + noise.astype(y.dtype)
        return activate(y + self.bias[...].astype(y.dtype))


class ToRGB(nnx.Module):
    """Features to their share of the picture: a modulated 1x1 convolution and a bias, in the bias's dtype."""

    def __init__(self, inputs: int, style: int, *, rngs: nnx.Rngs):
        self.conv = ModulatedConv(inputs, 3, 1, style, demodulate=False, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(3))

    def __call__(self, x: Float[Array, "b h w c"], style: Float[Array, "b s"]) -> Float[Array, "b h w 3"]:
        bias = self.bias[...]
        return self.conv(x.astype(bias.dtype), style) + bias


class DecoderLevel(nnx.Module):
    """One resolution of the decoder: double, convolve, apply the UNet's scale and shift, convolve, add to the RGB."""

    def __init__(self, inputs: int, outputs: int, style: int, *, rngs: nnx.Rngs):
        self.first = StyleConv(inputs, outputs, style, rngs=rngs)
        self.second = StyleConv(outputs, outputs, style, rngs=rngs)
        self.to_rgb = ToRGB(outputs, style, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b h w c"],
        rgb: Float[Array, "b h w 3"],
        style: Float[Array, "b s"],
        condition: tuple[Float[Array, "b i j d"], Float[Array, "b i j d"]],
        noise_keys: tuple[Array | None, Array | None],
    ) -> tuple[Float[Array, "b i j d"], Float[Array, "b i j 3"]]:
        scale, shift = condition
        x = self.first(double(x), style, noise_keys[0]) * scale + shift
        x = self.second(x, style, noise_keys[1])
        return x, double(rgb) + self.to_rgb(x, style)


class StyleUNet(nnx.Module):
    """Splatted features -> RGB in [0, 1]. The coarse colour reaches the output through the network only."""

    def __init__(
        self, inputs: int, widths: tuple[int, ...] = LIGHT_WIDTHS, style: int = STYLE_WIDTH, *, rngs: nnx.Rngs
    ):
        """widths: the UNet's channels at 4, 8, ... pixels; their number sets the picture's size (eight: 512)."""
        self.size = _COARSEST * 2 ** (len(widths) - 1)
        climbs = list(zip(widths[:-1], widths[1:], strict=True))  # (coarser, finer), coarsest first
        self.first = _conv(inputs, widths[-1], 1, rngs)
        self.down = nnx.List([ResidualBlock(fine, coarse, halve, rngs=rngs) for coarse, fine in reversed(climbs)])
        self.bottom = _conv(widths[0], widths[0], 3, rngs)
        self.to_style = nnx.Linear(_COARSEST**2 * widths[0], style, kernel_init=_FAN_IN, rngs=rngs)
        self.up = nnx.List([ResidualBlock(coarse, fine, double, rngs=rngs) for coarse, fine in climbs])
        self.scales = nnx.List([Condition(width, 1.0, rngs=rngs) for width in widths[1:]])
        self.shifts = nnx.List([Condition(width, 0.0, rngs=rngs) for width in widths[1:]])

        self.style_mlp = nnx.List(
            [nnx.Linear(style, style, kernel_init=_LEAKY_HE, rngs=rngs) for _ in range(STYLE_LAYERS)]
        )
        self.constant = nnx.Param(jax.random.normal(rngs.params(), (_COARSEST, _COARSEST, 2 * widths[0])))
        self.start = StyleConv(2 * widths[0], 2 * widths[0], style, rngs=rngs)
        self.start_rgb = ToRGB(2 * widths[0], style, rngs=rngs)
        self.levels = nnx.List([DecoderLevel(2 * coarse, 2 * fine, style, rngs=rngs) for coarse, fine in climbs])

    def __call__(
        self, features: Float[Array, "b h w c"], noise_key: Array | None = None
    ) -> Float[Array, "b h w 3"]:
        """The refined picture.

        noise_key: adds the decoder's random noise, as the authors' release always does; without it the picture is a
        function of the features alone.

        Raises:
            ValueError: the features are not square of the size that the network was made for.
        """
        if features.shape[1:3] != (self.size, self.size):
            raise ValueError(
                f"features: expected {self.size} x {self.size} pixels, got {features.shape[1]} x {features.shape[2]}; "
                "render at the size that this refiner was made for, or without the refiner"
            )
        style, conditions = self._encode(features)
        return self._decode(self._map_style(style), conditions, noise_key)

    def _encode(self, features: Float[Array, "b h w c"]) -> tuple[Float[Array, "b s"], list[tuple[Array, Array]]]:
        """The style code, and the (scale, shift) of every decoder level, coarsest first."""
        x = activate(self.first(features))
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = activate(self.bottom(x))
        style = self.to_style(x.reshape(x.shape[0], -1))
        conditions = []
        for block, skip, scale, shift in zip(self.up, reversed(skips), self.scales, self.shifts, strict=True):
            x = block(x + skip)
            conditions.append((scale(x), shift(x)))
        return style, conditions

    def _map_style(self, style: Float[Array, "b s"]) -> Float[Array, "b s"]:
        """The style code, of unit mean square, through the mapping network."""
        style = style * jax.lax.rsqrt(jnp.mean(jnp.square(style), axis=-1, keepdims=True) + _EPSILON)
        for layer in self.style_mlp:
            style = activate(layer(style))
        return style

    def _decode(
        self, style: Float[Array, "b s"], conditions: list[tuple[Array, Array]], noise_key: Array | None
    ) -> Float[Array, "b h w 3"]:
        count = 1 + 2 * len(self.levels)
        keys = [None] * count if noise_key is None else list(jax.random.split(noise_key, count))
        constant = jnp.broadcast_to(self.constant[...], (style.shape[0], *self.constant.shape))
        x = self.start(constant.astype(conditions[0][0].dtype), style, keys[0])
        rgb = self.start_rgb(x, style)
        for index, (level, condition) in enumerate(zip(self.levels, conditions, strict=True)):
            x, rgb = level(x, rgb, style, condition, (keys[1 + 2 * index], keys[2 + 2 * index]))
        return jax.nn.sigmoid(rgb)
