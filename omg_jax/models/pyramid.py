"""The feature pyramid: four backbone taps -> F_local, a dense feature map (DPT-like; RefineNet fusion)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.models.dinov2 import IMAGENET_MEAN, IMAGENET_STD
from omg_jax.models.resize import resize_aligned, resize_image

FEATURES_PER_TOKEN = 8  # F_local has 8 x 8 pixels per backbone token


class PatchUpsample(nnx.Module):
    """A transposed convolution whose kernel equals its stride: every pixel becomes a block of its own."""

    def __init__(self, channels: int, factor: int, *, rngs: nnx.Rngs):
        init = nnx.initializers.lecun_normal(in_axis=0, out_axis=-1)
        self.kernel = nnx.Param(init(rngs.params(), (channels, factor, factor, channels)))
        self.bias = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
        blocks = jnp.einsum("bhwc,cijd->bhiwjd", x, self.kernel[...].astype(x.dtype))
        b, h, i, w, j, d = blocks.shape
        return blocks.reshape(b, h * i, w * j, d) + self.bias[...].astype(x.dtype)


class ResidualUnit(nnx.Module):
    """x + conv(relu(conv(relu(x)))), 3x3."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(width, width, (3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(width, width, (3, 3), rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return x + self.conv2(nnx.relu(self.conv1(nnx.relu(x))))


class FusionBlock(nnx.Module):
    """Adds the skip (after a residual unit), refines, enlarges to the next finer size, and projects."""

    def __init__(self, width: int, *, has_skip: bool, rngs: nnx.Rngs):
        self.skip_unit = ResidualUnit(width, rngs=rngs) if has_skip else None
        self.unit = ResidualUnit(width, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"], skip: Array | None, size: int) -> Float[Array, "b i j c"]:
        if self.skip_unit is not None:
            x = x + self.skip_unit(skip)
        return self.out(resize_aligned(self.unit(x), (size, size)))


class FeaturePyramid(nnx.Module):
    """Four taps of n x n tokens -> F_local [b, 8n, 8n, width].

    Tap i is projected, brought to 4n, 2n, n and n/2 pixels, joined with the (ImageNet-normalised) photo at that size,
    and fused from coarse to fine.
    """

    def __init__(self, token_channels: int, channels: tuple[int, int, int, int], width: int, *, rngs: nnx.Rngs):
        self.projections = nnx.List([nnx.Linear(token_channels, c, rngs=rngs) for c in channels])
        self.enlarge4 = PatchUpsample(channels[0], 4, rngs=rngs)
        self.enlarge2 = PatchUpsample(channels[1], 2, rngs=rngs)
        self.shrink2 = nnx.Conv(channels[3], channels[3], (3, 3), strides=2, padding=1, rngs=rngs)
        self.joins = nnx.List([nnx.Conv(c + 3, width, (3, 3), use_bias=False, rngs=rngs) for c in channels])
        self.fusions = nnx.List([FusionBlock(width, has_skip=i < 3, rngs=rngs) for i in range(4)])
        self.out = nnx.Conv(width, width, (3, 3), rngs=rngs)

    def __call__(self, taps: tuple[Array, ...], image: Float[Array, "b h w 3"]) -> Float[Array, "b i j c"]:
        """taps: four arrays [b, n*n, d], shallowest first; image: the photo in [0, 1], any size, without gradient."""
        n = round(taps[0].shape[1] ** 0.5)
        image = jax.lax.stop_gradient((image - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD))
        projected = [projection(tap) for projection, tap in zip(self.projections, taps, strict=True)]
        grids = [x.reshape(x.shape[0], n, n, -1) for x in projected]
        grids = [self.enlarge4(grids[0]), self.enlarge2(grids[1]), grids[2], self.shrink2(grids[3])]
        levels = [
            join(jnp.concatenate([resize_image(image, grid.shape[1:3]), grid], axis=-1))
            for join, grid in zip(self.joins, grids, strict=True)
        ]
        x = self.fusions[3](levels[3], None, n)
        x = self.fusions[2](x, levels[2], 2 * n)
        x = self.fusions[1](x, levels[1], 4 * n)
        x = self.fusions[0](x, levels[0], FEATURES_PER_TOKEN * n)
        return self.out(x)
