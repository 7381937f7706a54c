"""The branch for shoulders and hair: Gaussians on an image-aligned plane through the head (Eqs. 9-11)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import Differences, GaussianConfig, PlaneConfig
from omg_jax.geometry.camera import camera_centre, camera_forward, focal_and_centre
from omg_jax.models.embedding import EMBEDDING_SIZE
from omg_jax.models.gaussian_heads import (
    START_GATE_LOGIT,
    START_OPACITY_LOGIT,
    blend_photo,
    scale_logit,
    unit_quaternions,
)
from omg_jax.models.resize import resize_image
from omg_jax.types import Camera, Gaussians

MASK_BOTTOM_SHARE = 0.25  # of the picture's height: where the paper's shoulder mask lies
START_DEPTH_LOGIT = -3.0


def extend(image: Float[Array, "b h w *c"], margin: int) -> Float[Array, "b i j *c"]:
    """Repeats the left, right and bottom edge ``margin`` pixels further: a person goes on where their portrait ends."""
    channels = [(0, 0)] * (image.ndim - 3)
    return jnp.pad(image, [(0, 0), (0, margin), (margin, margin), *channels], mode="edge")


def plane_points(
    camera: Camera, image_size: int, size: int, *, margin: int = 0, aligned_corners: bool
) -> tuple[Float[Array, "b p 3"], Float[Array, "b p 3"]]:
    """(points, rays): size x size points, row-major, on the plane that faces the camera and holds the world's origin.

    margin: so many further points left, right and below (see extend).

    A ray is the world vector from the camera to its point, over the point's camera depth, so that adding t rays adds
    t to the depth and leaves the pixel. Points lie at pixel centres, or, with aligned corners, on a grid whose outer
    points are the picture's corners.
    """
    steps = jnp.arange(-margin, size + margin, dtype=jnp.float32)
    steps = steps * (image_size / (size - 1)) if aligned_corners else (steps + 0.5) * (image_size / size)
    pixels = jnp.stack(jnp.meshgrid(steps, steps[margin:], indexing="xy"), axis=-1).reshape(1, -1, 2)
    focal, centre = focal_and_centre(camera.intrinsics)
    in_camera = (pixels - centre[:, None, :]) / focal[:, None, :]
    in_camera = jnp.concatenate([in_camera, jnp.ones_like(in_camera[..., :1])], axis=-1)
    rays = jnp.matmul(in_camera, camera.world_to_camera[:, :3, :3], precision=jax.lax.Precision.HIGHEST)
    origin = camera_centre(camera)
    depth = jnp.abs(jnp.sum(origin * camera_forward(camera), axis=-1))
    return origin[:, None, :] + depth[:, None, None] * rays, rays


def shoulder_mask(
    matte: Float[Array, "b i j"], head_depth: Float[Array, "b i j"], region: str, size: int
) -> Float[Array, "b i j"]:
    """Where plane Gaussians may stand: the bottom quarter of the photo's matte, or all of it, outside the head mesh.

    head_depth is the z-buffer of the source head, infinite outside; size: rows of the photo, without a margin.
    """
    mask = jnp.where(jnp.isfinite(head_depth), 0.0, matte)
    if region == "matte":
        return mask
    row = jnp.arange(matte.shape[1])[:, None]
    return jnp.where(row >= (1.0 - MASK_BOTTOM_SHARE) * size, mask, 0.0)


def release_shoulder_mask(head_depth: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """The authors' released rule (config.Differences): everything but the near half of the head."""
    covered = jnp.isfinite(head_depth)
    low = jnp.min(jnp.where(covered, head_depth, jnp.inf), axis=(1, 2), keepdims=True)
    high = jnp.max(jnp.where(covered, head_depth, -jnp.inf), axis=(1, 2), keepdims=True)
    return 1.0 - (covered & (head_depth - low < 0.5 * (high - low)))


class PlaneHead(nnx.Module):
    """F_local -> one Gaussian per plane point: colour features, opacity, scale, rotation and depth."""

    def __init__(
        self,
        width: int,
        plane: PlaneConfig,
        gaussians: GaussianConfig,
        spacing: float,
        image_size: int,
        differences: Differences,
        *,
        rngs: nnx.Rngs,
    ):
        self.plane, self.gaussians, self.image_size, self.differences = plane, gaussians, image_size, differences
        inputs = (width + EMBEDDING_SIZE, *[plane.hidden] * (plane.num_hidden - 1))
        self.hidden = nnx.List([nnx.Conv(i, plane.hidden, (3, 3), rngs=rngs) for i in inputs])
        skip = gaussians.colour_skip
        outputs = gaussians.num_channels + 9 + (1 if skip else 0)
        self.out = nnx.Linear(plane.hidden + (4 if skip else 0), outputs, rngs=rngs)
        self.out.bias[...] = self.start_bias(outputs, spacing)

    def start_bias(self, outputs: int, spacing: float) -> Float[Array, " o"]:
        """Output biases at the start: identity rotations; with opaque_start also opaque, dense, close to the plane."""
        c, bias = self.gaussians.num_channels, jnp.zeros(outputs)
        bias = bias.at[c + 4].set(1.0)
        if self.gaussians.opaque_start:
            bias = bias.at[c].set(START_OPACITY_LOGIT).at[c + 8].set(START_DEPTH_LOGIT)
            bias = bias.at[c + 1 : c + 4].set(scale_logit(spacing, self.gaussians.max_scale))
        if self.gaussians.colour_skip:
            bias = bias.at[c + 9].set(START_GATE_LOGIT)
        return bias

    def __call__(
        self,
        local_map: Float[Array, "b s s c"],
        direction: Float[Array, "b 27"],
        image: Float[Array, "b h w 3"],
        matte: Float[Array, "b h w"],
        mask: Float[Array, "b i j"],
        camera: Camera,
    ) -> Gaussians:
        """All plane Gaussians, row by row with the margin's; where their mask is zero so is the opacity."""
        cells = local_map.shape[1]
        size, margin = (self.plane.upsample * count for count in (cells, self.margin_cells(cells)))
        raw, photo = self.raw_attributes(local_map, direction, image, matte)
        c, (batch, height, width) = self.gaussians.num_channels, raw.shape[:3]
        axis = 2 if self.differences.column_sigmoid else 3
        first, rest = jnp.split(raw[..., :c], [3], axis=axis)
        features = jnp.concatenate([nnx.sigmoid(first), rest], axis=axis).reshape(batch, height * width, c)
        raw = raw.reshape(batch, height * width, -1)
        if self.gaussians.colour_skip:
            photo = photo.reshape(batch, height * width, 4)
            colour = blend_photo(features[..., :3], photo, nnx.sigmoid(raw[..., c + 9 :]))
            features = jnp.concatenate([colour, features[..., 3:]], axis=-1)
        points, rays = plane_points(
            camera, self.image_size, size, margin=margin, aligned_corners=self.differences.half_pixel_shift
        )
        along = rays if self.plane.along_ray else camera_forward(camera)[:, None, :]
        return Gaussians(
            means=points + nnx.sigmoid(raw[..., c + 8 : c + 9]) * along,
            quats=unit_quaternions(raw[..., c + 4 : c + 8]),
            scales=self.gaussians.max_scale * nnx.sigmoid(raw[..., c + 1 : c + 4]),
            opacities=nnx.sigmoid(raw[..., c]) * mask.reshape(batch, -1),
            features=features,
        )

    def margin_cells(self, size: int) -> int:
        """By how many of its pixels an F_local of size x size is extended."""
        return round(self.plane.margin * size)

    def raw_attributes(
        self, local_map: Array, direction: Array, image: Array, matte: Array
    ) -> tuple[Float[Array, "b p q o"], Float[Array, "b p q 4"] | None]:
        """Attributes before activation, and the photo with its matte at the plane's points (with the colour skip)."""
        size, upsample = local_map.shape[1], self.plane.upsample
        margin = self.margin_cells(size)
        x = extend(local_map, margin)
        tiled = jnp.broadcast_to(direction[:, None, None, :], (*x.shape[:3], EMBEDDING_SIZE))
        x = jnp.concatenate([x, tiled], axis=-1)
        for conv in self.hidden:
            x = nnx.relu(conv(x))
        if upsample > 1:
            x = resize_image(x, (upsample * x.shape[1], upsample * x.shape[2]))
        if not self.gaussians.colour_skip:
            return self.out(x), None
        photo = resize_image(jnp.concatenate([image, matte[..., None]], axis=-1), (upsample * size,) * 2)
        photo = extend(photo, upsample * margin)
        return self.out(jnp.concatenate([x, photo], axis=-1)), photo
