"""Local features: project vertices into the photo, sample F_local there, and fuse by visibility (Eqs. 4-6)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from omg_jax.config import Differences
from omg_jax.geometry.camera import crop_camera, scale_camera, world_to_pixels
from omg_jax.geometry.visibility import vertex_visibility, zbuffer
from omg_jax.types import Camera

RELEASE_NEAR, RELEASE_FAR = 0.01, 100.0  # clipping planes of the release's normalised depth


def sample_bilinear(features: Float[Array, "b h w c"], pixels: Float[Array, "b n 2"]) -> Float[Array, "b n c"]:
    """Bilinear samples at pixel positions (x, y); the centre of pixel (0, 0) is (0.5, 0.5), borders repeat."""
    batch, height, width, channels = features.shape
    size = jnp.array([width, height], pixels.dtype)
    position = jnp.clip(pixels - 0.5, 0.0, size - 1.0)
    low = jnp.minimum(jnp.floor(position), size - 2.0)
    fraction = (position - low)[..., None]
    index = low.astype(jnp.int32)
    first = index[..., 1] * width + index[..., 0]
    flat = features.reshape(batch, height * width, channels)

    def texel(offset: int) -> Array:
        return jnp.take_along_axis(flat, (first + offset)[..., None], axis=1)

    x, y = fraction[..., 0, :], fraction[..., 1, :]
    top = texel(0) * (1.0 - x) + texel(1) * x
    bottom = texel(width) * (1.0 - x) + texel(width + 1) * x
    return top * (1.0 - y) + bottom * y


def release_visibility(
    vertices: Float[Array, "b n 3"],
    occluder: Float[Array, "b v 3"],
    faces: Int[Array, "f 3"],
    camera: Camera,
    image_size: tuple[int, int],
) -> Bool[Array, "b n"]:
    """The authors' released rule (config.Differences): two differently normalised depths are compared.

    The z-buffer is scaled to [0, 1] over the picture (the background takes its maximum), the vertices' NDC depth to
    [0, 1] over all vertices; a vertex is visible where the second is smaller.
    """
    height, width = image_size
    buffer, _ = zbuffer(occluder, faces, camera, image_size)
    filled = jnp.isfinite(buffer)
    low = jnp.min(jnp.where(filled, buffer, jnp.inf), axis=(1, 2), keepdims=True)
    high = jnp.max(jnp.where(filled, buffer, -jnp.inf), axis=(1, 2), keepdims=True)
    buffer = (jnp.where(filled, buffer, high) - low) / (high - low)
    pixels, depth = world_to_pixels(camera, vertices)
    ndc = (RELEASE_FAR - RELEASE_FAR * RELEASE_NEAR / depth) / (RELEASE_FAR - RELEASE_NEAR)
    nearest, farthest = ndc.min(axis=1, keepdims=True), ndc.max(axis=1, keepdims=True)
    column, row = jnp.floor(pixels[..., 0]).astype(jnp.int32), jnp.floor(pixels[..., 1]).astype(jnp.int32)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
    seen = jnp.take_along_axis(buffer.reshape(buffer.shape[0], -1), index, axis=1)
    return inside & ((ndc - nearest) / (farthest - nearest) < seen)


class VisibilityFusion(nnx.Module):
    """F_h = F_global + F_local * M: local features reach only the vertices that the photo shows (Eqs. 5 and 6)."""

    def __init__(self, image_size: int, tolerance: float, differences: Differences, margin: int = 0):
        """margin: pixels by which the photo goes on beyond its left, right and bottom edge, which repeat."""
        self.image_size, self.tolerance, self.differences = (image_size, image_size), tolerance, differences
        self.margin = margin

    def __call__(
        self,
        global_features: Float[Array, "b n c"],
        local_map: Float[Array, "b h w c"],
        vertices: Float[Array, "b n 3"],
        visibility: Bool[Array, "b n"],
        camera: Camera,
    ) -> Float[Array, "b n c"]:
        """vertices: of the source pose, at the level of global_features; camera: the photo's."""
        factor = local_map.shape[1] / self.image_size[0]
        pixels, _ = world_to_pixels(scale_camera(camera, factor), vertices)
        if self.differences.half_pixel_shift:
            pixels = pixels + 0.5  # the release reads a map's pixel i at coordinate i
        return global_features + sample_bilinear(local_map, pixels) * visibility[..., None]

    def visibility(
        self,
        vertices: Float[Array, "b n 3"],
        occluder: Float[Array, "b v 3"],
        faces: Int[Array, "f 3"],
        camera: Camera,
    ) -> Bool[Array, "b n"]:
        """Which vertices the photo with its margin shows (Eq. 5); occluder: the mesh that hides them, and its faces."""
        arguments = jax.lax.stop_gradient((vertices, occluder))
        if self.differences.normalised_depths:
            return release_visibility(*arguments, faces, camera, self.image_size)
        (height, width), camera = self.image_size, crop_camera(camera, 0, -self.margin)
        size = (height + self.margin, width + 2 * self.margin)
        return vertex_visibility(arguments[0], faces, camera, size, self.tolerance, occluder_vertices=arguments[1])
