"""LPIPS's third network, SqueezeNet 1.1 (Iandola et al. 2016): the paper's LPIPS is measured with it.

No package holds its weights, so a user gives them: the file that these lines write where the lpips package works, named
in the environment variable OMG_ASSET_LPIPS_SQUEEZE.

    import lpips, safetensors.torch
    safetensors.torch.save_model(lpips.LPIPS(net="squeeze"), "lpips_squeeze.safetensors")
"""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from safetensors import SafetensorError
from safetensors.numpy import load_file

from omg_jax.losses.perceptual import Convolution, PerceptualParams, scale_colours, unit_length

# Stages between taps: each a pooling or none, then fire modules; before the first lies a convolution with stride 2.
# A fire module is named by its place in the network, which its weights' names hold.
STAGES: tuple[tuple[bool, tuple[int, ...]], ...] = (
    (False, ()), (True, (3, 4)), (True, (6, 7)), (True, (9,)), (False, (10,)), (False, (11,)), (False, (12,)),
)  # fmt: skip
_FIRE = ("squeeze", "expand1x1", "expand3x3")


def load_squeeze(path: Path | str) -> PerceptualParams:
    """The network's 25 convolutions in their order, and LPIPS's seven heads.

    ValueError where the file is missing, cannot be read, or lacks an array.
    """
    path = Path(path)
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"cannot read LPIPS weights from {path} ({error}); expected a safetensors file") from error
    try:
        convolutions = tuple(_convolution(arrays, name) for name in _names())
        heads = tuple(jnp.asarray(arrays[f"lin{tap}.model.1.weight"]).reshape(-1) for tap in range(len(STAGES)))
    except KeyError as error:
        raise ValueError(
            f"{path} lacks the array {error}; expected the weights of lpips.LPIPS(net='squeeze') by their names there"
        ) from error
    return PerceptualParams(convolutions, heads)


def squeeze_features(params: PerceptualParams, images: Float[Array, "b h w 3"]) -> tuple[Array, ...]:
    """The network's features at its seven taps, each of unit length over its channels. images: RGB in [0, 1]."""
    remaining = iter(params.convolutions)
    x = jax.nn.relu(_convolve(scale_colours(images), next(remaining), stride=2))
    taps = []
    for pooled, fires in STAGES:
        x = _max_pool(x) if pooled else x
        for _ in fires:
            x = _fire(x, remaining)
        taps.append(unit_length(x))
    return tuple(taps)


def _fire(x: Float[Array, "b h w i"], remaining: Iterator[Convolution]) -> Float[Array, "b h w o"]:
    """Channels squeezed into few, from which 1 x 1 and 3 x 3 convolutions make many."""
    few = jax.nn.relu(_convolve(x, next(remaining)))
    one, three = _convolve(few, next(remaining)), _convolve(few, next(remaining), padding=1)
    return jax.nn.relu(jnp.concatenate([one, three], axis=-1))


def _convolve(x: Array, convolution: Convolution, stride: int = 1, padding: int = 0) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    around = [(padding, padding)] * 2
    return convolution.bias + jax.lax.conv_general_dilated(
        x, convolution.kernel, (stride, stride), around, dimension_numbers=layout
    )


def _max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
    """Maximum over 3 x 3 windows two pixels apart; the last window may reach over the border."""
    padding = [(0, 0), *((0, (size - 3) % 2) for size in x.shape[1:3]), (0, 0)]
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)


def _names() -> Iterator[str]:
    """Names of the convolutions in the lpips package, in their order."""
    yield "net.slice1.0"
    for number, (_, fires) in enumerate(STAGES, start=1):
        for place in fires:
            yield from (f"net.slice{number}.{place}.{part}" for part in _FIRE)


def _convolution(arrays: dict, name: str) -> Convolution:
    """A convolution from torch's layout (out, in, height, width)."""
    kernel, bias = (jnp.asarray(arrays[f"{name}.{part}"], jnp.float32) for part in ("weight", "bias"))
    return Convolution(jnp.transpose(kernel, (2, 3, 1, 0)), bias)
