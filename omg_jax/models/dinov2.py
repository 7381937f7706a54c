"""DINOv2: the frozen vision transformer that reads the source photo (ViT-S/B/L, patches of 14 pixels).

The weights are never trained here. They come from omg_jax.models.dinov2_weights, or are random in tests.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from omg_jax.models.precision import full_float32

PATCH_SIZE = 14
GRID_SIZE = 37  # patches along each side of the 518-pixel images that the position embedding was trained for
NUM_TAPS = 4
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_LAYER_NORM_EPSILON = 1e-6
_BICUBIC_A = -0.75  # the cubic convolution kernel's free parameter, torch's choice


@dataclasses.dataclass(frozen=True)
class DinoConfig:
    """Sizes of one DINOv2 network.

    position_offset: what the official code adds to the number of patches n before it divides by 37 to get the scale at
    which the position embedding is resampled. 0.1 reproduces the official plain models, 0.0 samples by size as the
    Hugging Face code does. Images of 37 x 37 patches use the embedding as it is, so there the two agree.
    num_registers: tokens without a position that stand between the class token and the patches. Networks with registers
    resample the position embedding by size, antialiased, in either code; position_offset is not theirs.
    """

    width: int
    depth: int = 12
    num_heads: int = 6
    position_offset: float = 0.1
    num_registers: int = 0


NUM_REGISTERS = 4  # of the published networks that have any
DINOV2_SMALL = DinoConfig(width=384, depth=12, num_heads=6)
DINOV2_BASE = DinoConfig(width=768, depth=12, num_heads=12)
DINOV2_LARGE = DinoConfig(width=1024, depth=24, num_heads=16)
CONFIGS = {
    "dinov2-s-derived": DINOV2_SMALL,
    "dinov2-small": DINOV2_SMALL,
    "dinov2-base": DINOV2_BASE,
    "dinov2-large": DINOV2_LARGE,
    "dinov2-small-reg": dataclasses.replace(DINOV2_SMALL, num_registers=NUM_REGISTERS),
    "dinov2-base-reg": dataclasses.replace(DINOV2_BASE, num_registers=NUM_REGISTERS),
    "dinov2-large-reg": dataclasses.replace(DINOV2_LARGE, num_registers=NUM_REGISTERS),
}


class Attention(nnx.Module):
    """Multi-head self-attention; the fused projection holds queries, keys and values in this order."""

    def __init__(self, config: DinoConfig, rngs: nnx.Rngs, dtype: DTypeLike):
        self.num_heads = config.num_heads
        self.qkv = nnx.Linear(config.width, 3 * config.width, dtype=dtype, rngs=rngs)
        self.projection = nnx.Linear(config.width, config.width, dtype=dtype, rngs=rngs)

    def __call__(self, tokens: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        batch, length, width = tokens.shape
        split = self.qkv(tokens).reshape(batch, length, 3, self.num_heads, width // self.num_heads)
        queries, keys, values = jnp.moveaxis(split, 2, 0)
        return self.projection(jax.nn.dot_product_attention(queries, keys, values).reshape(tokens.shape))


class Mlp(nnx.Module):
    """Two linear layers, four times wider inside, with the exact (erf) GELU."""

    def __init__(self, config: DinoConfig, rngs: nnx.Rngs, dtype: DTypeLike):
        self.expand = nnx.Linear(config.width, 4 * config.width, dtype=dtype, rngs=rngs)
        self.contract = nnx.Linear(4 * config.width, config.width, dtype=dtype, rngs=rngs)

    def __call__(self, tokens: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        return self.contract(jax.nn.gelu(self.expand(tokens), approximate=False))


class Block(nnx.Module):
    """Pre-norm attention and MLP, each residual scaled per channel (LayerScale)."""

    def __init__(self, config: DinoConfig, rngs: nnx.Rngs, dtype: DTypeLike):
        self.attention_norm = nnx.LayerNorm(config.width, epsilon=_LAYER_NORM_EPSILON, dtype=dtype, rngs=rngs)
        self.attention = Attention(config, rngs, dtype)
        self.attention_scale = nnx.Param(jnp.ones(config.width))
        self.mlp_norm = nnx.LayerNorm(config.width, epsilon=_LAYER_NORM_EPSILON, dtype=dtype, rngs=rngs)
        self.mlp = Mlp(config, rngs, dtype)
        self.mlp_scale = nnx.Param(jnp.ones(config.width))

    def __call__(self, tokens: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        attended = self.attention(self.attention_norm(tokens))
        tokens = tokens + self.attention_scale[...].astype(tokens.dtype) * attended
        return tokens + self.mlp_scale[...].astype(tokens.dtype) * self.mlp(self.mlp_norm(tokens))


class DinoV2(nnx.Module):
    """The whole network: photo to patch tokens of its last four blocks."""

    def __init__(self, config: DinoConfig, rngs: nnx.Rngs, dtype: DTypeLike = jnp.float32):
        """dtype: what the blocks compute in; bfloat16 is for GPUs (it is slower on a CPU). Parameters stay float32."""
        self.config = config
        self.dtype = dtype
        normal = nnx.initializers.normal(0.02)
        # A convolution of stride 14 by a 14 x 14 kernel is one matrix product over flattened patches.
        self.patch_embedding = nnx.Linear(PATCH_SIZE * PATCH_SIZE * 3, config.width, dtype=dtype, rngs=rngs)
        self.class_token = nnx.Param(normal(rngs.params(), (config.width,)))
        self.class_position = nnx.Param(normal(rngs.params(), (config.width,)))
        self.patch_positions = nnx.Param(normal(rngs.params(), (GRID_SIZE, GRID_SIZE, config.width)))
        if config.num_registers:
            self.register_tokens = nnx.Param(normal(rngs.params(), (config.num_registers, config.width)))
        self.blocks = nnx.List([Block(config, rngs, dtype) for _ in range(config.depth)])
        self.norm = nnx.LayerNorm(config.width, epsilon=_LAYER_NORM_EPSILON, dtype=dtype, rngs=rngs)

    @full_float32
    def __call__(self, images: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b n d"], ...]:
        """Patch tokens of the last four blocks, shallowest first, each through the final LayerNorm.

        Args:
            images: RGB in [0, 1], not yet normalised; height and width are multiples of 14.

        Returns:
            Four arrays of h/14 * w/14 tokens in row-major order, in the module's dtype.

        Raises:
            ValueError: height or width is not a multiple of 14.
        """
        _, height, width, _ = images.shape
        if height % PATCH_SIZE or width % PATCH_SIZE:
            raise ValueError(
                f"images: expected height and width to be multiples of {PATCH_SIZE}, got {height} x {width}; "
                "resize the photo first"
            )
        tokens = self._embed(images)
        taps = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index >= self.config.depth - NUM_TAPS:
                taps.append(self.norm(tokens)[:, 1 + self.config.num_registers :])
        return tuple(taps)

    def _embed(self, images: Float[Array, "b h w 3"]) -> Float[Array, "b n d"]:
        """Class token, registers and patch tokens; class and patches with their positions added."""
        batch, height, width, _ = images.shape
        normalised = (images - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD)
        patches = self.patch_embedding(_flatten_patches(normalised))
        grid = (height // PATCH_SIZE, width // PATCH_SIZE)
        if self.config.num_registers:
            positions = resample_positions_antialiased(self.patch_positions[...], grid)
        else:
            positions = resample_positions(self.patch_positions[...], grid, self.config.position_offset)
        patches = patches + positions.reshape(1, -1, self.config.width).astype(self.dtype)
        first = (self.class_token[...] + self.class_position[...])[None]
        if self.config.num_registers:
            first = jnp.concatenate([first, self.register_tokens[...]])
        first = jnp.broadcast_to(first.astype(self.dtype), (batch, *first.shape))
        return jnp.concatenate([first, patches], axis=1)


def _flatten_patches(images: Float[Array, "b h w 3"]) -> Float[Array, "b n k"]:
    """Non-overlapping 14 x 14 patches in row-major order, each flattened as (row, column, channel)."""
    batch, height, width, channels = images.shape
    rows, columns = height // PATCH_SIZE, width // PATCH_SIZE
    patches = images.reshape(batch, rows, PATCH_SIZE, columns, PATCH_SIZE, channels).swapaxes(2, 3)
    return patches.reshape(batch, rows * columns, PATCH_SIZE * PATCH_SIZE * channels)


def resample_positions(
    positions: Float[Array, "g g d"], grid: tuple[int, int], offset: float
) -> Float[Array, "rows columns d"]:
    """The position embedding for another number of patches, by bicubic interpolation as torch does it.

    offset: see DinoConfig.position_offset. A grid of the embedding's own size returns it unchanged.
    """
    size = positions.shape[0]
    if grid == (size, size):
        return positions
    rows, columns = (jnp.asarray(bicubic_matrix(size, n, size / (n + offset))) for n in grid)
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum("ri,cj,ijd->rcd", rows, columns, positions, precision=highest)


def resample_positions_antialiased(
    positions: Float[Array, "g g d"], grid: tuple[int, int]
) -> Float[Array, "rows columns d"]:
    """The position embedding for another number of patches, as networks with registers have it.

    Where torch antialiases, its cubic kernel has a = -0.5 and is normalised at the borders, as jax.image's is.
    """
    size = positions.shape[0]
    if grid == (size, size):
        return positions
    return jax.image.resize(positions, (*grid, positions.shape[-1]), "cubic", antialias=True)


def bicubic_matrix(num_inputs: int, num_outputs: int, step: float) -> Float[np.ndarray, "outputs inputs"]:
    """The matrix of one-dimensional bicubic interpolation with ``align_corners=False`` and clamped borders.

    Output i lies at input coordinate ``(i + 0.5) * step - 0.5``; the cubic convolution kernel has a = -0.75.
    """
    centres = (np.arange(num_outputs) + 0.5) * step - 0.5
    first = np.floor(centres).astype(int) - 1
    matrix = np.zeros((num_outputs, num_inputs))
    for tap in range(4):
        sources = np.clip(first + tap, 0, num_inputs - 1)
        np.add.at(matrix, (np.arange(num_outputs), sources), _cubic_kernel(centres - (first + tap)))
    return matrix.astype(np.float32)


def _cubic_kernel(distance: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Keys' cubic convolution kernel, zero beyond a distance of two samples."""
    x, a = np.abs(distance), _BICUBIC_A
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    return np.where(x <= 1.0, near, np.where(x < 2.0, far, 0.0))
