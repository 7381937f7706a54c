"""Looking the photo up: Gaussians carry where the photo shows them, and pixels of a frame read their colour there.

A Gaussian has one colour, so that splatted pictures are as fine as the Gaussians lie dense. Splatted places in the
photo vary smoothly, and a picture that is read from the photo at those places is as fine as the photo. It is wrong
where places of different surfaces mix, and has holes where the photo shows nothing: the refiner weighs it against the
splatted colour. Ours; the paper has no such path.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from omg_jax.geometry.camera import world_to_pixels
from omg_jax.models.sampling import sample_bilinear
from omg_jax.types import Camera

NUM_PLACE_CHANNELS = 3
LEAST_SHOWN = 1e-3  # below this share of a pixel its place is of no use
LEAST_MATTE = 1 / 255


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
