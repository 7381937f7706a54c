"""Vertex features -> Gaussian attributes (Eq. 7), and the learned vertex offsets (Eq. 1)."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import GaussianConfig
from omg_jax.models.embedding import EMBEDDING_SIZE
from omg_jax.models.mlp import MLP
from omg_jax.types import HeadGaussians

SKIP_SIZE = 6  # where visible: the photo's colour on black (3) and matte; visibility; cosine of the angle of view
START_OPACITY_LOGIT = 2.0
START_GATE_LOGIT = 2.0
SPACING_TO_SIGMA = 0.6  # neighbouring Gaussians at 0.6 spacings' standard deviation overlap without gaps or blur


def unit_quaternions(x: Float[Array, "*b n 4"], axis: int = -1) -> Float[Array, "*b n 4"]:
    """x over its length along an axis (the release normalises along the vertices: DESIGN D9)."""
    return x / jnp.sqrt(jnp.sum(x**2, axis=axis, keepdims=True) + 1e-12)


def scale_logit(spacing: float, max_scale: float) -> float:
    """The logit at which max_scale * sigmoid gives a Gaussian fit for points this far apart (world units)."""
    share = np.clip(SPACING_TO_SIGMA * spacing / max_scale, 0.01, 0.99)
    return float(np.log(share / (1.0 - share)))


class SegmentHeads(nnx.Module):
    """The four (with the colour skip: five) MLPs of one level's own vertices."""

    def __init__(self, inputs: int, config: GaussianConfig, *, rngs: nnx.Rngs):
        def mlp(outputs: int):
            return MLP(inputs, config.hidden, outputs, rngs=rngs)

        self.colour, self.opacity, self.scale, self.rotation = mlp(config.num_channels), mlp(1), mlp(3), mlp(4)
        self.gate = mlp(1) if config.colour_skip else None
        self.rotation.last.bias[...] = jnp.array([1.0, 0.0, 0.0, 0.0])
        if config.opaque_start:
            self.opacity.last.bias[...] = jnp.full(1, START_OPACITY_LOGIT)
        if self.gate is not None:
            self.gate.last.bias[...] = jnp.full(1, START_GATE_LOGIT)


class GaussianHeads(nnx.Module):
    """F_h -> attributes per vertex. Every vertex is served by the heads of the level that introduced it.

    spacing holds each level's mean edge length on the template (world units).
    """

    def __init__(
        self,
        width: int,
        num_vertices: tuple[int, ...],
        spacing: tuple[float, ...],
        config: GaussianConfig,
        compat: str,
        *,
        rngs: nnx.Rngs,
    ):
        inputs = width + EMBEDDING_SIZE + (SKIP_SIZE if config.colour_skip else 0)
        self.segments = nnx.List([SegmentHeads(inputs, config, rngs=rngs) for _ in num_vertices])
        self.num_vertices, self.config = num_vertices, config
        self.quaternion_axis = -2 if compat == "release" else -1
        starts = jnp.array([scale_logit(s, config.max_scale) for s in spacing])
        self.level_scale = nnx.Param(starts) if config.opaque_start else None

    def __call__(
        self,
        features: Float[Array, "b n c"],
        direction: Float[Array, "b 27"],
        skip: Float[Array, "b n 6"] | None,
        lod: int,
    ) -> HeadGaussians:
        """skip: see SKIP_SIZE, only with the colour skip; direction: harmonic embedding of the photo's view axis."""
        parts = [features, jnp.broadcast_to(direction[:, None, :], (*features.shape[:2], EMBEDDING_SIZE))]
        inputs = jnp.concatenate(parts if skip is None else [*parts, skip], axis=-1)
        bounds = (0, *self.num_vertices[: lod + 1])
        rows = [slice(bounds[k], bounds[k + 1]) for k in range(lod + 1)]
        segments = [
            self.attributes(heads, inputs[:, row], None if skip is None else skip[:, row], lod)
            for heads, row in zip(list(self.segments)[: lod + 1], rows, strict=True)
        ]
        return HeadGaussians(*(jnp.concatenate(group, axis=1) for group in zip(*segments, strict=True)))

    def attributes(self, heads: SegmentHeads, inputs: Array, skip: Array | None, lod: int) -> HeadGaussians:
        """One segment's attributes, after activation."""
        features = heads.colour(inputs)
        colour = nnx.sigmoid(features[..., :3])
        if skip is not None:
            colour = blend_photo(colour, skip[..., :4], nnx.sigmoid(heads.gate(inputs)))
        scale = heads.scale(inputs)
        if self.level_scale is not None:
            scale = scale + self.level_scale[...][lod]
        return HeadGaussians(
            quats=unit_quaternions(heads.rotation(inputs), self.quaternion_axis),
            scales=self.config.max_scale * nnx.sigmoid(scale),
            opacities=nnx.sigmoid(heads.opacity(inputs))[..., 0],
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
