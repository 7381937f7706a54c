"""Looking the photo up: places of Gaussians, what is found there, and the picture that comes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.camera import crop_camera, portrait_intrinsics
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.models.lookup import linear_map, look_up, off_black, places_in_photo, rasterize_places
from omg_jax.models.omg import build_model
from omg_jax.models.state import merge_model, split_model
from omg_jax.splat.api import rasterize
from omg_jax.types import Camera, Gaussians
from tests.tolerances import EXACT, FLOAT32_ROUNDING, PIXEL_POSITIONS
from tests.unit.models.conftest import TINY

SIZE = 16


@pytest.fixture(scope="module")
def camera() -> Camera:
    """At the origin, looking along z: a point (x, y, 1) is seen at the pixel (x, y)."""
    return Camera(jnp.eye(4)[None], jnp.eye(3)[None])


def test_a_place_is_where_the_photo_shows_a_point(camera):
    points = jnp.array([[[4.0, 12.0, 1.0], [8.0, 8.0, 2.0], [-5.0, 99.0, 1.0], [4.0, 4.0, 1.0]]])
    places = places_in_photo(camera, points, jnp.array([[1.0, 0.5, 1.0, 0.0]]), SIZE)
    expected = [[0.25, 0.75, 1.0], [0.125, 0.125, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(places[0], expected, **FLOAT32_ROUNDING)


def test_splatted_places_are_exact_between_the_gaussians_of_a_moved_plane():
    """Seen turned in the picture, nearer, aside and cropped; opaque and eight pixels apart, they would go in steps."""
    size, distance, spacing = 64, 9.2, 8
    photo = Camera(jnp.eye(4)[None].at[:, 2, 3].set(distance), portrait_intrinsics((size, size))[None])
    steps = (jnp.arange(-4, 12) + 0.5) * spacing
    pixels = jnp.stack(jnp.meshgrid(steps, steps), axis=-1).reshape(1, -1, 2)
    points = (pixels - size / 2) / photo.intrinsics[0, 0, 0] * distance
    points = jnp.concatenate([points, jnp.zeros_like(points[..., :1])], axis=-1)
    count, width = points.shape[1], 0.6 * spacing * distance / photo.intrinsics[0, 0, 0]
    places = places_in_photo(photo, points, jnp.ones((1, count)), size)
    inside = ((pixels > 0) & (pixels < size)).all(axis=-1)  # beyond the photo's edge places stay on it
    opacities, quats = jnp.where(inside, 0.95, 0.0), jnp.eye(4)[:1].repeat(count, 0)[None]
    gaussians = Gaussians(points, quats, jnp.full((1, count, 3), width), opacities, places * inside[..., None])

    moved = photo.world_to_camera.at[:, :3, :3].set(axis_angle_to_matrix(jnp.array([0.0, 0.0, 0.3])))
    camera = crop_camera(photo._replace(world_to_camera=moved.at[:, :2, 3].set(0.1).at[:, 2, 3].set(8.0)), 20, 10)
    window = (40, 48)
    centres = jnp.stack(jnp.meshgrid(jnp.arange(window[1]) + 0.5, jnp.arange(window[0]) + 0.5), axis=-1)
    rays = (centres - camera.intrinsics[0, :2, 2]) / camera.intrinsics[0, 0, 0]
    hit = 8.0 * jnp.concatenate([rays, jnp.ones((*window, 1))], axis=-1) - camera.world_to_camera[0, :3, 3]
    hit = hit @ camera.world_to_camera[0, :3, :3]
    expected = hit[..., :2] / distance * photo.intrinsics[0, 0, 0] + size / 2

    def errors(draw):
        drawn = np.asarray(draw(gaussians, camera, window).features[0])
        covered = drawn[..., 2] > 0.5
        assert covered.mean() > 0.5
        return (size * drawn[..., :2] / drawn[..., 2:] - expected)[covered]

    np.testing.assert_allclose(errors(rasterize_places), 0.0, **PIXEL_POSITIONS)
    assert np.abs(errors(rasterize)).mean() > 0.5


def test_where_nothing_is_shown_there_is_no_map():
    here = jax.random.uniform(jax.random.key(0), (1, 50, 2))
    np.testing.assert_array_equal(linear_map(here, jnp.zeros((1, 50, 3))), jnp.zeros((1, 2, 2)))


def test_what_is_found_is_the_photo_s_share_of_a_pixel():
    """Splatted places are weighted sums: half a Gaussian's weight tells the same place."""
    photo = jax.random.uniform(jax.random.key(0), (1, SIZE, SIZE, 3))
    centres = (jnp.arange(SIZE) + 0.5) / SIZE
    grid = jnp.stack([*jnp.meshgrid(centres, centres), jnp.ones((SIZE, SIZE))], axis=-1)
    share = jnp.full((SIZE, SIZE, 1), 0.5).at[0].set(1.0).at[1].set(0.0)
    found, shown = look_up(photo, (share * grid)[None])
    np.testing.assert_allclose(found[0], share * photo[0], **FLOAT32_ROUNDING)
    np.testing.assert_allclose(shown[0], share, **EXACT)


def test_a_picture_gets_its_own_colours_back():
    colours = np.random.default_rng(0).random((1, SIZE, SIZE, 3), np.float32)
    matte = np.random.default_rng(1).choice(np.float32([0.0, 0.01, 0.5, 1.0]), (1, SIZE, SIZE))
    again = off_black(jnp.asarray(colours * matte[..., None]), jnp.asarray(matte))
    np.testing.assert_allclose(again, np.where(matte[..., None] > 0, colours, 0.0), **FLOAT32_ROUNDING)


def test_a_picture_from_the_photo_s_own_place_is_as_fine_as_the_photo(head, source):
    """Of spots that are finer than level 0, whose Gaussians have one colour each."""
    size = TINY.image_size
    spots = jax.random.uniform(jax.random.key(2), (1, size // 4, size // 4, 3))
    source = source._replace(image=jnp.repeat(jnp.repeat(spots, 4, 1), 4, 2) * source.matte[..., None])
    model = build_model(TINY, head, seed=0)
    model.refiner.last.bias[...] = jnp.array([0.0, 0.0, 0.0, 20.0])  # the gate
    graphdef, params, constants = split_model(model)

    def pictures(params, source):
        model = merge_model(graphdef, params, constants)
        built = model.build(source, (0,))
        gaussians = model.pose(built, source.params.shape_params, source.params, 0)
        return model.render(gaussians, built.photo, source.camera, source.matte.shape[1:])[:2]

    coarse, refined = jax.jit(pictures)(params, source)
    middle = slice(3 * size // 8, 5 * size // 8)  # the face
    errors = [np.abs(picture - source.image)[:, middle, middle].mean() for picture in (coarse, refined)]
    assert errors[1] < 0.75 * errors[0]
