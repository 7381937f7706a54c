"""Looking the photo up: places of Gaussians, what is found there, and the picture that comes of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.camera import crop_camera, portrait_intrinsics
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.models.lookup import frame_to_photo, look_up, off_black, places_in_photo, rasterize_places
from omg_jax.models.omg import build_model
from omg_jax.models.state import merge_model, split_model
from omg_jax.splat.api import rasterize
from omg_jax.types import Camera, Gaussians
from tests.tolerances import EXACT, FLOAT32_ROUNDING, MAP_OF_MOST, PIXEL_POSITIONS, PLACES_IN_STEPS
from tests.unit.models.conftest import TINY

SIZE = 16


@pytest.fixture(scope="module")
def camera() -> Camera:
    """At the origin, looking along z: a point (x, y, 1) is seen at the pixel (x, y)."""
    return Camera(jnp.eye(4)[None], jnp.eye(3)[None])


def test_a_place_is_where_the_photo_shows_a_point(camera):
    points = jnp.array([[[4.0, 12.0, 1.0], [8.0, 8.0, 2.0], [-5.0, 99.0, 1.0], [4.0, 4.0, 1.0]]])
    places = places_in_photo(camera, points, jnp.array([[1.0, 0.5, 1.0, 0.0]]), SIZE)
    expected = [[0.25, 0.75, 1.0], [0.125, 0.125, 0.5], [-0.3125, 6.1875, 1.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(places[0], expected, **FLOAT32_ROUNDING)


class Card(NamedTuple):
    """A card before the photo's camera: opaque Gaussians eight pixels apart, which know their places in the photo."""

    photo: Camera
    gaussians: Gaussians


CARD_SIZE, CARD_SPACING, CARD_DISTANCE = 64, 8, 9.2


@pytest.fixture(scope="module")
def card() -> Card:
    photo = Camera(
        jnp.eye(4)[None].at[:, 2, 3].set(CARD_DISTANCE), portrait_intrinsics((CARD_SIZE, CARD_SIZE))[None]
    )
    unit = CARD_DISTANCE / photo.intrinsics[0, 0, 0]  # a pixel's side on the card
    steps = (jnp.arange(-4, 12) + 0.5) * CARD_SPACING - CARD_SIZE / 2
    points = unit * jnp.stack([*jnp.meshgrid(steps, steps), jnp.zeros((16, 16))], axis=-1).reshape(1, -1, 3)
    count = points.shape[1]
    scales = jnp.full((1, count, 3), 0.6 * CARD_SPACING * unit)
    places = places_in_photo(photo, points, jnp.ones((1, count)), CARD_SIZE)
    colours = jax.random.uniform(jax.random.key(0), (1, count, 2))
    features = jnp.concatenate([colours, places], axis=-1)
    quats = jnp.broadcast_to(jnp.eye(4)[0], (1, count, 4))
    return Card(photo, Gaussians(points, quats, scales, jnp.full((1, count), 0.95), features))


def moved_camera(photo: Camera, angle: float) -> Camera:
    """Turned in the picture, nearer, aside, and of a window of 40 x 48 pixels."""
    pose = photo.world_to_camera.at[:, :3, :3].set(axis_angle_to_matrix(jnp.array([0.0, 0.0, angle])))
    return crop_camera(photo._replace(world_to_camera=pose.at[:, :2, 3].set(0.1).at[:, 2, 3].set(8.0)), 20, 10)


WINDOW = (40, 48)


def pixels_of_card(camera: Camera) -> np.ndarray:
    """Which pixels of the photo the window's pixels see on the card."""
    centres = np.stack(np.meshgrid(np.arange(WINDOW[1]) + 0.5, np.arange(WINDOW[0]) + 0.5), axis=-1)
    intrinsics, pose = np.asarray(camera.intrinsics[0]), np.asarray(camera.world_to_camera[0])
    rays = (centres - intrinsics[:2, 2]) / intrinsics[0, 0]
    hit = (pose[2, 3] * np.dstack([rays, np.ones(WINDOW)]) - pose[:3, 3]) @ pose[:3, :3]
    return hit[..., :2] / CARD_DISTANCE * intrinsics[0, 0] + CARD_SIZE / 2


def errors(features: jax.Array, camera: Camera) -> np.ndarray:
    """Of splatted places, in pixels of the photo, where the card covers most of a pixel."""
    drawn = np.asarray(features[0])[..., -3:]
    covered = drawn[..., 2] > 0.5
    assert covered.mean() > 0.5
    return (CARD_SIZE * drawn[..., :2] / drawn[..., 2:] - pixels_of_card(camera))[covered]


def test_splatted_places_are_exact_between_the_gaussians_of_a_moved_card(card):
    camera = moved_camera(card.photo, 0.3)
    exact, plain = (draw(card.gaussians, camera, WINDOW) for draw in (rasterize_places, rasterize))
    np.testing.assert_allclose(errors(exact.features, camera), 0.0, **PIXEL_POSITIONS)
    assert np.abs(errors(plain.features, camera)).mean() > PLACES_IN_STEPS
    np.testing.assert_array_equal(exact.features[..., :2], plain.features[..., :2])
    np.testing.assert_array_equal(exact.alpha, plain.alpha)


def test_what_a_frame_does_not_show_moves_no_place(card):
    """A Gaussian behind the camera, one of no opacity, one far aside, one without a place, one that is not finite."""
    camera = moved_camera(card.photo, 0.3)
    means = [[0.1, 0.1, -9.0], [0.3, 0.3, -1.0], [40.0, 0.0, 0.0], [0.2, 0.1, 0.0], [np.nan, 0.0, 0.0]]
    strange = jax.tree.map(lambda x: x[:, :5], card.gaussians)
    opacities = strange.opacities.at[:, jnp.array([1, 3])].set(0.0)
    features = strange.features.at[..., 2:4].add(0.5).at[:, 3, 2:].set(0.0)
    strange = strange._replace(means=jnp.array([means]), opacities=opacities, features=features)
    both = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), card.gaussians, strange)
    drawn = rasterize_places(both, camera, WINDOW)
    np.testing.assert_allclose(errors(drawn.features, camera), 0.0, **PIXEL_POSITIONS)


def test_every_picture_of_a_batch_has_its_own_map(card):
    cameras = [moved_camera(card.photo, angle) for angle in (-0.4, 0.2)]
    two = jax.tree.map(lambda *parts: jnp.concatenate(parts), *cameras)
    drawn = rasterize_places(jax.tree.map(lambda x: x.repeat(2, axis=0), card.gaussians), two, WINDOW)
    for index, camera in enumerate(cameras):
        np.testing.assert_allclose(errors(drawn.features[index : index + 1], camera), 0.0, **PIXEL_POSITIONS)


def test_the_map_follows_large_gaussians_rather_than_many_small_ones(card):
    """As those of a head's level 0 before a still plane of four times as many."""
    still = jax.tree.map(lambda x: x.repeat(4, axis=1), card.gaussians)
    still = still._replace(scales=0.1 * still.scales)
    turn = axis_angle_to_matrix(jnp.array([0.0, 0.0, 0.3]))
    head = card.gaussians._replace(means=card.gaussians.means @ turn.T)
    both = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), still, head)
    _, linear = frame_to_photo(both, card.photo, (CARD_SIZE, CARD_SIZE))
    np.testing.assert_allclose(linear[0], turn[:2, :2].T, **MAP_OF_MOST)


def test_places_have_no_gradient(card):
    def sum_of_places(means, opacities):
        gaussians = card.gaussians._replace(means=means, opacities=opacities)
        features = rasterize_places(gaussians, card.photo, (CARD_SIZE, CARD_SIZE)).features
        return jnp.sum(look_up(jnp.ones((1, 8, 8, 3)), features[..., 2:])[0])

    for gradient in jax.grad(sum_of_places, argnums=(0, 1))(card.gaussians.means, card.gaussians.opacities):
        np.testing.assert_array_equal(gradient, 0.0)


def test_where_nothing_is_shown_there_is_no_map(card):
    hidden = card.gaussians._replace(features=jnp.zeros_like(card.gaussians.features))
    drawn = rasterize_places(hidden, card.photo, (CARD_SIZE, CARD_SIZE))
    np.testing.assert_array_equal(drawn.features, 0.0)
    _, linear = frame_to_photo(hidden, card.photo, (CARD_SIZE, CARD_SIZE))
    np.testing.assert_array_equal(linear, jnp.zeros((1, 2, 2)))


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
