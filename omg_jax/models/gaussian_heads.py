"""Vertex features -> Gaussian attributes (Eq. 7), and the learned vertex offsets (Eq. 1)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import GaussianConfig
from omg_jax.models.embedding import EMBEDDING_SIZE
from omg_jax.models.mlp import MLP
from omg_jax.models.state import Constant
from omg_jax.types import HeadGaussians

VIEW_SIZE = 6  # of a point in the photo: where visible, colour on black (3) and matte; visibility; cosine of the angle
SKIP_SIZE = 2 * VIEW_SIZE  # the vertex itself, then its mirror image on the other side of the head
START_OPACITY_LOGIT = 2.0
START_GATE_LOGIT = 2.0
SPACING_TO_SIGMA = 0.6  # neighbouring Gaussians at 0.6 spacings' standard deviation overlap without gaps or blur


def unit_quaternions(x: Float[Array, "*b n 4"]) -> Float[Array, "*b n 4"]:
    """x over its length."""
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)


def release_quaternions(x: Float[Array, "*b n 4"]) -> Float[Array, "*b n 4"]:
    """The rotations that the release makes of x (config.Differences), as unit quaternions.

    It normalises along the vertices, so that a quaternion (r, v) is as short as vertices are many, and its rasterizer
    puts that into the matrix I + 2r[v] + 2[v]^2 as it is ([v]: the cross product with v). For a unit quaternion this is
    a rotation, for a short one nearly the identity. Ours is the nearest rotation, about v by atan2(2r|v|, 1 - 2|v|^2);
    what is left is a shrinking across v by some 2|v|^2, a thousandth on the paper's level 0.
    """
    x = x / jnp.sqrt(jnp.sum(x**2, axis=-2, keepdims=True) + 1e-12)
    r, v = x[..., :1], x[..., 1:]
    square = jnp.sum(v**2, axis=-1, keepdims=True)
    cosine = 1.0 - 2.0 * square
    length = jnp.sqrt(cosine**2 + 4.0 * r**2 * square + 1e-12)
    return unit_quaternions(jnp.concatenate([length + cosine, 2.0 * r * v], axis=-1))


def scale_logit(spacing: float | Float[Array, "*n"], max_scale: float) -> Float[Array, "*n"]:
    """The logit at which max_scale * sigmoid gives a Gaussian fit for points this far apart (world units)."""
    return jax.scipy.special.logit(jnp.clip(SPACING_TO_SIGMA * spacing / max_scale, 0.01, 0.99))


class SegmentHeads(nnx.Module):
    """The MLPs of one level's own vertices: colour, opacity, scale, rotation and, with the colour skip, its gates.

    They are separate networks of one hidden layer; their first layers stand side by side in one matrix. The direction
    is the same for every vertex, so its share of the first layer is computed once.
    """

    def __init__(self, inputs: int, config: GaussianConfig, *, rngs: nnx.Rngs):
        outputs = [config.num_channels, 1, 3, 4] + [2] * config.colour_skip
        self.first = nnx.Linear(inputs, config.hidden * len(outputs), rngs=rngs)
        self.last = nnx.List([nnx.Linear(config.hidden, o, rngs=rngs) for o in outputs])
        self.last[3].bias[...] = jnp.array([1.0, 0.0, 0.0, 0.0])
        if config.opaque_start:
            self.last[1].bias[...] = jnp.full(1, START_OPACITY_LOGIT)
        if config.colour_skip:
            self.last[4].bias[...] = jnp.full(2, START_GATE_LOGIT)

    def __call__(self, features: Float[Array, "b n c"], direction: Float[Array, "b 27"]) -> list[Float[Array, "b n o"]]:
        """Values before activation: colour, opacity, scale, rotation (and gates)."""
        kernel, width = self.first.kernel[...], features.shape[-1]
        shared = direction @ kernel[width:] + self.first.bias[...]
        dtype = self.first.dtype or features.dtype
        hidden = nnx.relu(features.astype(dtype) @ kernel[:width].astype(dtype) + shared[:, None, :].astype(dtype))
        hidden = hidden.astype(kernel.dtype)
        # One product with a block-diagonal matrix: at 80,000 rows a split of the hidden layer costs more than zeros.
        raw = hidden @ jax.scipy.linalg.block_diag(*(last.kernel[...] for last in self.last))
        raw = raw + jnp.concatenate([last.bias[...] for last in self.last])
        return jnp.split(raw, np.cumsum([last.out_features for last in self.last])[:-1], axis=-1)


class GaussianHeads(nnx.Module):
    """F_h -> attributes per vertex. Every vertex is served by the heads of the level that introduced it, or all by one.

    spacing holds, per level, the distance from each vertex to its neighbours on the template (world units): with
    opaque_start the scales start from it, and a learned offset per level shifts them.
    """

    def __init__(
        self,
        width: int,
        spacing: list[Float[Array, " n"]],
        config: GaussianConfig,
        *,
        vertex_axis_quats: bool,
        rngs: nnx.Rngs,
    ):
        """vertex_axis_quats: see config.Differences."""
        inputs = width + EMBEDDING_SIZE + (SKIP_SIZE if config.colour_skip else 0)
        num_heads = len(spacing) if config.heads_per_level else 1
        self.segments = nnx.List([SegmentHeads(inputs, config, rngs=rngs) for _ in range(num_heads)])
        self.num_vertices, self.config = tuple(len(level) for level in spacing), config
        self.rotations = release_quaternions if vertex_axis_quats else unit_quaternions
        self.start_scale = nnx.List([])
        if config.opaque_start:
            self.start_scale = nnx.List([Constant(scale_logit(level, config.max_scale)) for level in spacing])
            self.level_scale = nnx.Param(jnp.zeros(len(spacing)))

    def __call__(
        self,
        features: Float[Array, "b n c"],
        direction: Float[Array, "b 27"],
        skip: Float[Array, "b n 12"] | None,
        lod: int,
    ) -> HeadGaussians:
        """skip: see SKIP_SIZE, only with the colour skip; direction: harmonic embedding of the photo's view axis."""
        inputs = features if skip is None else jnp.concatenate([features, skip], axis=-1)
        start_scale = jnp.zeros(self.num_vertices[lod])
        if self.start_scale:
            start_scale = self.start_scale[lod][...] + self.level_scale[...][lod]
        ends = self.num_vertices[: lod + 1] if self.config.heads_per_level else self.num_vertices[lod : lod + 1]
        segments, start = [], 0
        for heads, end in zip(self.segments, ends, strict=False):
            rows = slice(start, end)
            raw = heads(inputs[:, rows], direction)
            segments.append(self.activate(raw, None if skip is None else skip[:, rows], start_scale[rows, None]))
            start = end
        return HeadGaussians(*(jnp.concatenate(group, axis=1) for group in zip(*segments, strict=True)))

    def activate(
        self, raw: list[Array], skip: Float[Array, "b n 12"] | None, start_scale: Float[Array, "n 1"]
    ) -> HeadGaussians:
        """One segment's attributes."""
        features, opacity, scale, rotation = raw[:4]
        colour = nnx.sigmoid(features[..., :3])
        if skip is not None:
            gates = nnx.sigmoid(raw[4])
            # What the photo shows of the vertex counts most, then what it shows of the vertex's mirror image.
            colour = blend_photo(colour, skip[..., VIEW_SIZE : VIEW_SIZE + 4], gates[..., 1:])
            colour = blend_photo(colour, skip[..., :4], gates[..., :1])
        return HeadGaussians(
            quats=self.rotations(rotation),
            scales=self.config.max_scale * nnx.sigmoid(scale + start_scale),
            opacities=nnx.sigmoid(opacity)[..., 0],
            features=jnp.concatenate([colour, features[..., 3:]], axis=-1),
        )


def blend_photo(
    colour: Float[Array, "*b 3"], photo: Float[Array, "*b 4"], gate: Float[Array, "*b 1"]
) -> Float[Array, "*b 3"]:
    """The photo's colour where gate is one, the predicted one where it is zero.

    photo is RGB on black (multiplied by its matte) and the matte: where the matte is partial, the prediction fills
    the rest.
    """
    return colour + gate * (photo[..., :3] - photo[..., 3:] * colour)


class OffsetHead(nnx.Module):
    """F_global -> offsets of the level-0 template vertices, at most max_offset along each axis (Eq. 1)."""

    def __init__(self, width: int, config: GaussianConfig, *, rngs: nnx.Rngs):
        self.mlp = MLP(width + EMBEDDING_SIZE, config.hidden, 3, rngs=rngs, zero_last=config.opaque_start)
        self.max_offset = config.max_offset

    def __call__(
        self, features: Float[Array, "b v c"], direction: Float[Array, "b 27"]
    ) -> Float[Array, "b v 3"]:
        direction = jnp.broadcast_to(direction[:, None, :], (*features.shape[:2], EMBEDDING_SIZE))
        return self.max_offset * jnp.tanh(self.mlp(jnp.concatenate([features, direction], axis=-1)))
