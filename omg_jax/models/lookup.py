"""Looking the photo up: Gaussians carry where the photo shows them, and pixels of a frame read their colour there.

A Gaussian has one colour, so that splatted pictures are as fine as the Gaussians lie dense. Splatted places in the
photo vary smoothly, and a picture that is read from the photo at those places is as fine as the photo. It is wrong
where places of different surfaces mix, and has holes where the photo shows nothing: the refiner weighs it against the
splatted colour. Ours; the paper has no such path.

A pixel shows its front-most Gaussians, each with the place of its own centre: where they are opaque, splatted places go
in steps. So what is splatted is a place's difference from the linear map of the frame to the photo that fits all places
best (a head's turn and size in the picture); neighbours differ much less in that. The map is added again per pixel.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from omg_jax.geometry.camera import MIN_DEPTH, world_to_pixels
from omg_jax.models.sampling import sample_bilinear
from omg_jax.splat.api import rasterize
from omg_jax.types import Camera, Gaussians, RenderOutput

NUM_PLACE_CHANNELS = 3
LEAST_SHOWN = 1e-3  # below this share of a pixel its place is of no use
LEAST_MATTE = 1 / 255
LEAST_SPREAD = 1e-6  # of points in a frame, in squares of its side: below it they tell no map


def places_in_photo(
    camera: Camera, points: Float[Array, "b n 3"], shown: Float[Array, "b n"], image_size: int
) -> Float[Array, "b n 3"]:
    """(shown x, shown y, shown) of every point: x and y are its place in the photo, 0 to 1 from edge to edge.

    shown: 1 where the photo shows the point, 0 where not. Beyond the photo's edge the place stays on it. No gradient.
    """
    pixels, _ = world_to_pixels(camera, points)
    place = jnp.clip(pixels / image_size, 0.0, 1.0)
    place = jnp.concatenate([place, jnp.ones_like(place[..., :1])], axis=-1)
    return jax.lax.stop_gradient(shown[..., None] * place)


def rasterize_places(gaussians: Gaussians, camera: Camera, image_size: tuple[int, int]) -> RenderOutput:
    """``rasterize`` of Gaussians whose last features are places_in_photo, so that these are exact between centres too.

    The map of the frame to the photo has no gradient, nor have the places.
    """
    here, depth = world_to_pixels(camera, gaussians.means)
    here = here / jnp.array(image_size[::-1], here.dtype)
    features, places = jnp.split(gaussians.features, [gaussians.features.shape[-1] - NUM_PLACE_CHANNELS], axis=-1)
    here, places, in_front = jax.lax.stop_gradient((here, places, depth[..., None] > MIN_DEPTH))
    linear = linear_map(here, jnp.where(in_front, places, 0.0))
    places = places - with_zero(places[..., 2:] * map_points(linear, here))
    output = rasterize(
        gaussians._replace(features=jnp.concatenate([features, places], axis=-1)), camera, image_size
    )
    rows, columns = ((jnp.arange(count, dtype=here.dtype) + 0.5) / count for count in image_size)
    centres = jnp.stack(jnp.meshgrid(columns, rows, indexing="xy"), axis=-1).reshape(1, -1, 2)
    mapped = map_points(linear, centres).reshape(-1, *image_size, 2)
    features, places = jnp.split(output.features, [output.features.shape[-1] - NUM_PLACE_CHANNELS], axis=-1)
    places = places + with_zero(places[..., 2:] * mapped)
    return output._replace(features=jnp.concatenate([features, places], axis=-1))


def linear_map(here: Float[Array, "b n 2"], places: Float[Array, "b n 3"]) -> Float[Array, "b 2 2"]:
    """The matrix by which points' places in the photo change with those in the frame, by least squares.

    here: (x, y) in the frame; places: places_in_photo, of which each counts as much as it is shown. Nearly zero where
    none is.
    """
    shown, there = places[..., 2:], places[..., :2]
    total = jnp.sum(shown, axis=1, keepdims=True) + LEAST_SPREAD
    here = here - jnp.sum(shown * here, axis=1, keepdims=True) / total
    there = there - shown * (jnp.sum(there, axis=1, keepdims=True) / total)
    spread, joint = (jnp.einsum("bni,bnj->bij", a, here, precision="highest") for a in (shown * here, there))
    return jnp.matmul(joint, jnp.linalg.inv(spread + LEAST_SPREAD * jnp.eye(2)), precision="highest")


def map_points(linear: Float[Array, "b 2 2"], points: Float[Array, "#b n 2"]) -> Float[Array, "b n 2"]:
    """Every point times the matrix."""
    return jnp.matmul(points, jnp.swapaxes(linear, -1, -2), precision="highest")


def with_zero(places: Float[Array, "*b 2"]) -> Float[Array, "*b 3"]:
    """(x, y, 0)."""
    return jnp.concatenate([places, jnp.zeros_like(places[..., :1])], axis=-1)


def look_up(
    photo: Float[Array, "b i j 3"], places: Float[Array, "b h w 3"]
) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 1"]]:
    """What the photo shows of every pixel, times how much of it the photo shows; and that share.

    places: splatted ``places_in_photo``. No gradient.
    """
    photo, places = jax.lax.stop_gradient((photo, places))
    (batch, height, width), size = places.shape[:3], jnp.array(photo.shape[2:0:-1], places.dtype)
    shown = places[..., 2:]
    pixels = size * places[..., :2] / jnp.maximum(shown, LEAST_SHOWN)
    found = sample_bilinear(photo, pixels.reshape(batch, height * width, 2)).reshape(batch, height, width, 3)
    return shown * found, shown


def off_black(image: Float[Array, "b h w 3"], matte: Float[Array, "b h w"]) -> Float[Array, "b h w 3"]:
    """The photo's own colours: the picture on black no longer multiplied by its matte. Black where the matte is 0."""
    matte = matte[..., None]
    return jnp.where(matte >= LEAST_MATTE, jnp.minimum(image / jnp.maximum(matte, LEAST_MATTE), 1.0), 0.0)
