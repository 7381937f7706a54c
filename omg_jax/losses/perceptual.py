"""Distances between pictures by the features of a frozen classification network: LPIPS, as metric and as loss.

The networks' weights are arguments (``PerceptualParams``, read by omg_jax.losses.perceptual_weights). Which network
they are of shows in their number: VGG16 has 13 convolutions, AlexNet 5. Both are compared after five taps.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NUM_TAPS = 5

# LPIPS's own normalisation of pictures in [-1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_NORM_EPSILON = 1e-10


class Convolution(NamedTuple):
    """One convolution's weights, as (height, width, in, out) and (out,)."""

    kernel: Float[Array, "k k i o"]
    bias: Float[Array, "o"]


class PerceptualParams(NamedTuple):
    """A network's convolutions in their order, and LPIPS's weight for every channel of its five taps (heads)."""

    convolutions: tuple[Convolution, ...]
    heads: tuple[Float[Array, "c"], ...]


class Stage(NamedTuple):
    """What lies between two taps: max-pooling with stride 2 (pool 0: none), then convolutions, each with its ReLU."""

    pool: int
    num_convolutions: int
    stride: int
    padding: int


VGG16 = (Stage(0, 2, 1, 1), Stage(2, 2, 1, 1), Stage(2, 3, 1, 1), Stage(2, 3, 1, 1), Stage(2, 3, 1, 1))
ALEXNET = (Stage(0, 1, 4, 2), Stage(3, 1, 1, 2), Stage(3, 1, 1, 1), Stage(0, 1, 1, 1), Stage(0, 1, 1, 1))


def perceptual_loss(
    params: PerceptualParams, a: Float[Array, "b h w 3"], b: Float[Array, "b h w 3"], *, max_tap: int = NUM_TAPS
) -> Float[Array, "b"]:
    """LPIPS v0.1 distance of each pair of pictures (Zhang et al. 2018); 0 for identical ones.

    Args:
        params: of VGG16 or AlexNet.
        a, b: RGB in [0, 1].
        max_tap: 5 is the metric. Less stops at that tap and leaves the later, expensive layers out; with VGG16 tap 3
            is relu3_3 and tap 4 is relu4_3.

    Raises:
        ValueError: max_tap is not 1 to 5, or params are of neither network.
    """
    return feature_distance(params, lpips_features(params, a, max_tap), lpips_features(params, b, max_tap))


def lpips_features(
    params: PerceptualParams, images: Float[Array, "b h w 3"], max_tap: int = NUM_TAPS
) -> tuple[Float[Array, "b _ _ _"], ...]:
    """The network's features at its first ``max_tap`` taps, each of unit length over its channels."""
    return tuple(unit_length(features) for features in network_features(params, scale_colours(images), max_tap))


def scale_colours(images: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 3"]:
    """Pictures in [0, 1] as LPIPS's networks expect them."""
    return (2.0 * images - 1.0 - jnp.array(_SHIFT)) / jnp.array(_SCALE)


def feature_distance(
    params: PerceptualParams,
    features_a: tuple[Float[Array, "b _ _ _"], ...],
    features_b: tuple[Float[Array, "b _ _ _"], ...],
) -> Float[Array, "b"]:
    """LPIPS from features: squared differences, weighted by channel, averaged over space, summed over taps."""
    taps = zip(features_a, features_b, params.heads, strict=False)  # fewer features than heads where max_tap < 5
    return sum(jnp.mean(jnp.square(x - y) @ head, axis=(1, 2)) for x, y, head in taps)


def network_features(
    params: PerceptualParams, x: Float[Array, "b h w 3"], max_tap: int = NUM_TAPS
) -> list[Float[Array, "b _ _ _"]]:
    """What the network has at its first ``max_tap`` taps, for a picture normalised as the network expects."""
    if not 1 <= max_tap <= NUM_TAPS:
        raise ValueError(f"max_tap: expected 1 to {NUM_TAPS}, got {max_tap}")
    remaining = iter(params.convolutions)
    taps = []
    for stage in _architecture(params)[:max_tap]:
        x = _max_pool(x, stage.pool) if stage.pool else x
        for _ in range(stage.num_convolutions):
            x = jax.nn.relu(_convolve(x, next(remaining), stage))
        taps.append(x)
    return taps


def _architecture(params: PerceptualParams) -> tuple[Stage, ...]:
    for stages in (VGG16, ALEXNET):
        if len(params.convolutions) == sum(stage.num_convolutions for stage in stages):
            return stages
    raise ValueError(
        f"perceptual params: expected VGG16's 13 convolutions or AlexNet's 5, got {len(params.convolutions)}; "
        "read them with omg_jax.losses.perceptual_weights"
    )


def _convolve(x: Float[Array, "b h w i"], convolution: Convolution, stage: Stage) -> Float[Array, "b j k o"]:
    padding = [(stage.padding, stage.padding)] * 2
    strides = (stage.stride, stage.stride)
    layout = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, convolution.kernel, strides, padding, dimension_numbers=layout)
    return y + convolution.bias


def _max_pool(x: Float[Array, "b h w c"], window: int) -> Float[Array, "b i j c"]:
    """Maximum over windows two pixels apart; what does not fill a window at the border is left out."""
    if window == 2:
        # Disjoint windows reduce by reshaping; the gradient of reduce_window is several times slower on a CPU.
        batch, height, width, channels = x.shape
        even = x[:, : height // 2 * 2, : width // 2 * 2]
        return even.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, window, window, 1), (1, 2, 2, 1), "VALID")


def unit_length(features: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Features over their length across channels; zero features stay zero, with finite gradients."""
    squared = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
    length = jnp.sqrt(jnp.where(squared > 0.0, squared, 1.0)) * (squared > 0.0)
    return features / (length + _NORM_EPSILON)
