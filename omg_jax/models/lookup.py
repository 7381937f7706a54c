"""Looking the photo up: Gaussians carry where the photo shows them, and pixels of a frame read their colour there.

A Gaussian has one colour, so that splatted pictures are as fine as the Gaussians lie dense. Splatted places in the
photo vary smoothly, and a picture that is read from the photo at those places is as fine as the photo. It is wrong
where places of different surfaces mix, and has holes where the photo shows nothing: the refiner weighs it against the
splatted colour. Ours; the paper has no such path.

A pixel shows its front-most Gaussians, each with the place of its own centre: where they are opaque, splatted places go
in steps. So what is splatted is a place's difference from the linear map of the frame to the photo that fits the places
best (a head's turn and size in the picture); neighbours differ much less in that. The map is added again per pixel.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from omg_jax.geometry.camera import world_to_pixels
from omg_jax.geometry.visibility import NEAR
from omg_jax.models.sampling import sample_bilinear
from omg_jax.splat.api import rasterize
from omg_jax.types import Camera, Gaussians, RenderOutput

NUM_PLACE_CHANNELS = 3
LEAST_SHOWN = 1e-3  # below this share of a pixel its place is of no use
LEAST_MATTE = 1 / 255
LEAST_SPREAD = 1e-6  # mean square of points about their mean, in squares of the frame's side: below it they tell no map


def places_in_photo(
    camera: Camera, points: Float[Array, "b n 3"], shown: Float[Array, "b n"], image_size: int
) -> Float[Array, "b n 3"]:
    """(shown x, shown y, shown) of every point: x and y are its place in the photo, 0 to 1 from edge to edge.

    shown: 1 where the photo shows the point, 0 where not. Beyond the photo's edges, which repeat, places go on. No
    gradient.
    """
    pixels, _ = world_to_pixels(camera, points)
    place = pixels / image_size
    place = jnp.concatenate([place, jnp.ones_like(place[..., :1])], axis=-1)
    return jax.lax.stop_gradient(shown[..., None] * place)


def rasterize_places(gaussians: Gaussians, camera: Camera, image_size: tuple[int, int]) -> RenderOutput:
    """``rasterize`` of Gaussians whose last features are places_in_photo, so that these are right between centres too.

    Places and the map have no gradient.
    """
    features, places = split_places(gaussians.features)
    here, linear = jax.lax.stop_gradient(frame_to_photo(gaussians, camera, image_size))
    ways = places - with_zero(places[..., 2:] * map_points(linear, here))
    features = jnp.concatenate([features, jax.lax.stop_gradient(ways)], axis=-1)
    output = rasterize(gaussians._replace(features=features), camera, image_size)
    rows, columns = ((jnp.arange(count, dtype=here.dtype) + 0.5) / count for count in image_size)
    centres = jnp.stack(jnp.meshgrid(columns, rows, indexing="xy"), axis=-1)
    mapped = map_points(linear, centres.reshape(1, -1, 2)).reshape(-1, *image_size, 2)
    features, ways = split_places(output.features)
    features = jnp.concatenate([features, ways + with_zero(ways[..., 2:] * mapped)], axis=-1)
    return output._replace(features=features)


def split_places(features: Float[Array, "*b c"]) -> tuple[Float[Array, "*b d"], Float[Array, "*b 3"]]:
    """(all other features, places)."""
    return features[..., :-NUM_PLACE_CHANNELS], features[..., -NUM_PLACE_CHANNELS:]


def frame_to_photo(
    gaussians: Gaussians, camera: Camera, image_size: tuple[int, int]
) -> tuple[Float[Array, "b n 2"], Float[Array, "b 2 2"]]:
    """(where the frame shows each Gaussian, 0 to 1 from edge to edge; the linear map from there to places).

    A Gaussian counts by the area that it paints, its size squared: a head's few large ones as much as a plane's many
    small ones, which the map matters less to. What the frame does not show counts nothing.
    """
    _, places = split_places(gaussians.features)
    pixels, depth = world_to_pixels(camera, gaussians.means)
    here = pixels / jnp.array(image_size[::-1], pixels.dtype)
    near_frame = (jnp.abs(here - 0.5) <= 1.0).all(axis=-1) & (depth >= NEAR)  # false where not finite
    here = jnp.where(near_frame[..., None], here, 0.5)
    shown = places[..., 2]
    weights = jnp.where(near_frame, shown * gaussians.opacities * jnp.max(gaussians.scales, axis=-1) ** 2, 0.0)
    there = places[..., :2] / jnp.maximum(shown, LEAST_SHOWN)[..., None]
    return here, linear_map(here, there, weights)


def linear_map(
    here: Float[Array, "b n 2"], there: Float[Array, "b n 2"], weights: Float[Array, "b n"]
) -> Float[Array, "b 2 2"]:
    """The matrix by which ``there`` changes with ``here``, by weighted least squares; zero without weights."""
    total = jnp.sum(weights, axis=1, keepdims=True)
    weights = (weights / jnp.where(total > 0, total, 1.0))[..., None]
    here, there = (points - jnp.sum(weights * points, axis=1, keepdims=True) for points in (here, there))
    spread, joint = (jnp.einsum("bni,bnj->bij", weights * points, here) for points in (here, there))
    (a, b), (c, d) = jnp.moveaxis(spread + LEAST_SPREAD * jnp.eye(2), 0, -1)
    inverse = jnp.moveaxis(jnp.array([[d, -b], [-c, a]]) / (a * d - b * c), -1, 0)
    return jnp.matmul(joint, inverse)


def map_points(linear: Float[Array, "b 2 2"], points: Float[Array, "#b n 2"]) -> Float[Array, "b n 2"]:
    """Every point times the matrix."""
    return jnp.matmul(points, jnp.swapaxes(linear, -1, -2))


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
