"""Textures, light, motions and cameras of synthetic portraits."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from omg_jax.data.portraits.background import over, sample_background
from omg_jax.data.portraits.cameras import CROP_FACTOR, fit_cameras
from omg_jax.data.portraits.develop import CameraLook, develop
from omg_jax.data.portraits.light import environment_irradiance
from omg_jax.data.portraits.look import sample_look, sample_person
from omg_jax.data.portraits.motion import CLOSED_BLINK, MOST_OF_A_MOUTH, OPPOSED, sample_motion
from omg_jax.data.portraits.occlusion import sky_directions
from omg_jax.data.portraits.shading import Frame, Light, coverage, face_rows, harmonics, material_table, shade
from omg_jax.data.portraits.skin import skin_tone
from omg_jax.data.portraits.textures import (
    FLAT_RELIEF,
    load_texture,
    pack,
    relief,
    shift_colours,
    tint,
    to_bytes,
    to_linear,
)
from omg_jax.geometry.rotations import axis_angle_to_matrix
from tests.tolerances import EVEN_SKY, FLOAT32_ROUNDING, ONE_LEVEL

UNITS = tuple(
    stem + side
    for stem in ("eyeBlink", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown", "eyeWide", "mouthSmile",
                 "mouthFrown", "browDown")
    for side in ("Left", "Right")
) + ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "tongueOut", "browInnerUp")
NAMES = {
    "skins": ("young_african_female", "old_caucasian_male", "young_caucasian_female2"),
    "hair": ("short01", "long01", "afro01"),
    "eyebrows": ("b1",),
    "eyelashes": ("l1",),
    "teeth": ("t1",),
    "clothes": ("female_suit", "male_suit"),
}


def test_clear_texels_hold_the_mean_colour(tmp_path):
    Image.fromarray(np.array([[[255, 100, 0, 255], [0, 0, 0, 0]]], np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_texture(tmp_path / "a.png")[0], [[255, 100, 0, 255], [255, 100, 0, 0]])


def test_halving_weighs_colours_by_alpha(tmp_path):
    texels = [[[200, 0, 0, 255], [0, 0, 0, 0]], [[200, 0, 0, 255], [0, 0, 0, 0]]]
    Image.fromarray(np.array(texels, np.uint8)).save(tmp_path / "a.png")
    halved = load_texture(tmp_path / "a.png", 1)[0, 0]
    np.testing.assert_allclose(halved.astype(int), [200, 0, 0, 127], **ONE_LEVEL)


def test_bytes_and_linear_light_are_inverse():
    levels = np.arange(256, dtype=np.uint8)[:, None]
    np.testing.assert_array_equal(to_bytes(to_linear(levels)), levels)


def test_hue_shift_keeps_grey_and_a_full_turn_keeps_all():
    texture = np.random.default_rng(0).integers(30, 120, (3, 3, 4)).astype(np.uint8)
    np.testing.assert_allclose(shift_colours(texture, 2 * np.pi, 1.0, 1.0).astype(int), texture, **ONE_LEVEL)
    grey = np.full((1, 1, 4), 128, np.uint8)
    np.testing.assert_allclose(shift_colours(grey, 1.3, 0.4, 1.0).astype(int), grey, **ONE_LEVEL)


def test_tint_paints_and_keeps_alpha():
    texture = np.full((2, 2, 4), 128, np.uint8)
    texture[0, :, 3] = 0
    painted = tint(texture, np.array([0.4, 0.2, 0.1]))
    np.testing.assert_array_equal(painted[..., 3], texture[..., 3])
    assert painted[1, 0, 0] > painted[1, 0, 1] > painted[1, 0, 2] > 0


def test_relief_slopes_up_towards_the_bright():
    texture = np.full((16, 16, 4), 100, np.uint8)
    texture[:, 8:, :3] = 110
    slopes = relief(texture, 3.0, 5.0)
    assert (slopes[:, 7:9, 0] > FLAT_RELIEF[0]).all()
    np.testing.assert_array_equal(slopes[..., 1], FLAT_RELIEF[1])


def test_atlas_finds_each_texture_and_its_relief():
    textures = [np.full((2, 3, 4), value, np.uint8) for value in (10, 20)]
    atlas = pack(textures, [None, np.full((2, 3, 4), 30, np.uint8)])
    (first, width, height, relief_first, has), second = atlas.layout[:2]
    assert (first, width, height, relief_first, has) == (0, 3, 2, 0, 0)
    np.testing.assert_array_equal(atlas.colour[second[0]].tobytes(), bytes([20] * 4))
    np.testing.assert_array_equal(atlas.relief[second[3]].tobytes(), bytes([30] * 4))
    np.testing.assert_array_equal(atlas.relief[0].tobytes(), bytes(FLAT_RELIEF))


def test_skin_darkens_with_melanin_and_reddens_with_blood():
    pale, dark, flushed = skin_tone(0.2, 0.3), skin_tone(1.5, 0.3), skin_tone(0.2, 0.5)
    assert (dark < pale).all()
    assert dark[0] / dark[2] > pale[0] / pale[2]
    assert flushed[0] / flushed[1] > pale[0] / pale[1]


def square_frame(normal, texture, light, material="cloth") -> Frame:
    """One triangle that covers the picture's first pixels, at depth 1, all corners with one normal."""
    faces = np.array([[0, 1, 2]], np.int32)
    points = np.array([[-9.0, -9.0, 1.0], [90.0, -9.0, 1.0], [-9.0, 90.0, 1.0]], np.float32)
    attributes = np.tile(np.array([*normal, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0], np.float32), (3, 1))
    arrays = (points, attributes, faces, np.zeros((1, 6), np.float32), np.zeros(1, np.float32))
    rows = face_rows(*map(jnp.asarray, arrays))
    tables = map(jnp.asarray, (*pack([texture], [None]), material_table([material])))
    return Frame(rows, *tables, Light(*map(jnp.asarray, light)), 1)


def one_light(direction) -> Light:
    directions = np.array([direction] * 3, np.float32)
    return Light(np.zeros((9, 3), np.float32), directions, np.array([[1.0] * 3, [0.0] * 3, [0.0] * 3], np.float32))


def first_pixel(frame) -> np.ndarray:
    return shade(frame, np.zeros(1, np.int32), np.zeros(1, np.int32), 4, 0.5)[0]


GREY = np.full((2, 2, 4), 255, np.uint8)


def test_light_from_the_camera_reaches_back_faces_of_two_sided_surfaces_only():
    light = one_light([0.0, 0.0, -1.0])
    lit = {name: first_pixel(square_frame([0.0, 0.0, 1.0], GREY, light, name)) for name in ("cloth", "teeth")}
    assert lit["cloth"][0] > 0.5 and lit["teeth"][0] == 0.0
    np.testing.assert_allclose([lit[name][3] for name in lit], 1.0, **FLOAT32_ROUNDING)


def test_without_light_all_is_black():
    light = one_light([0.0, 0.0, -1.0])._replace(colours=np.zeros((3, 3), np.float32))
    np.testing.assert_array_equal(first_pixel(square_frame([0.0, 0.0, -1.0], GREY, light, "skin"))[:3], 0.0)


def test_clear_texels_give_clear_fragments():
    clear = np.zeros((2, 2, 4), np.uint8)
    frame = square_frame([0.0, 0.0, -1.0], clear, one_light([0.0, 0.0, -1.0]))
    np.testing.assert_array_equal(first_pixel(frame), 0.0)
    alpha, depth = np.asarray(coverage(frame, jnp.zeros(1, int), jnp.zeros(1, int), 4, 0.5))[0]
    assert alpha == 0.0
    assert depth == pytest.approx(1.0)


def test_an_even_environment_lights_all_directions_alike():
    directions = sky_directions(400)
    irradiance = environment_irradiance(directions, np.ones((400, 3)))
    values = np.stack(harmonics(*directions.T), axis=1) @ irradiance
    np.testing.assert_allclose(values, 1.0, **EVEN_SKY)


def test_developing_keeps_the_picture_within_its_matte():
    rng = np.random.default_rng(0)
    canvas = rng.uniform(0.0, 1.0, (16, 16, 4)).astype(np.float32)
    canvas[:8] = 0.0
    look = CameraLook(blur=0.5, noise=0.05, jpeg=80)
    image, matte = develop(rng, canvas, look)
    assert (image.max(axis=2) <= matte).all() and (image[:5] == 0).all() and matte[12].min() > 0


def test_backgrounds_show_where_the_matte_is_clear():
    background = sample_background(np.random.default_rng(0), 8)
    images, mattes = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    np.testing.assert_array_equal(over(images, mattes, background), background)
    np.testing.assert_array_equal(over(images, mattes + 255, background), 0)


@pytest.fixture(scope="module")
def motions():
    rng = np.random.default_rng(0)
    return [sample_motion(rng, UNITS) for _ in range(300)]


def test_motions_stay_where_the_units_are_valid(motions):
    for motion in motions:
        units = motion.units
        assert set(units) <= set(UNITS)
        assert all(0.0 <= value <= 1.0 for value in units.values())
        assert units.get("mouthClose", 0.0) <= units.get("jawOpen", 0.0)
        assert max(units.get("eyeBlinkLeft", 0.0), units.get("eyeBlinkRight", 0.0)) <= 1.2 * CLOSED_BLINK


def test_motions_pull_no_face_two_ways(motions):
    for units in (motion.units for motion in motions):
        mouth = sum(value for name, value in units.items() if name.startswith(("mouth", "jaw", "cheekPuff")))
        assert mouth <= MOST_OF_A_MOUTH * (1.0 + FLOAT32_ROUNDING["rtol"])
        for first, second in OPPOSED:
            assert not any(first + side in units and second + side in units for side in ("", "Left", "Right"))
        assert units.get("tongueOut", 0.0) == 0.0 or units["jawOpen"] > 0.0


def test_eyes_are_open_in_most_frames(motions):
    closed = [max(m.units.get("eyeBlinkLeft", 0.0), m.units.get("eyeBlinkRight", 0.0)) > 0.5 for m in motions]
    assert 0.0 < np.mean(closed) < 0.15


def test_eyes_turn_where_the_lids_say(motions):
    """Forward is +z, the subject's left is +x, up is +y."""
    for motion in motions:
        units = motion.units
        left = np.asarray(axis_angle_to_matrix(jnp.asarray(motion.eye_pose[:3])))[:, 2]
        right = np.asarray(axis_angle_to_matrix(jnp.asarray(motion.eye_pose[3:])))[:, 2]
        middle = left + right
        assert units.get("eyeLookOutLeft", 0.0) == 0.0 or middle[0] > 0.0
        assert units.get("eyeLookOutRight", 0.0) == 0.0 or middle[0] < 0.0
        assert units.get("eyeLookUpLeft", 0.0) == 0.0 or middle[1] > 0.0
        # Both look at one point in front: the left eye turns to the subject's right of the right eye.
        assert left[0] < right[0]


def test_crop_is_the_trackers():
    rng = np.random.default_rng(1)
    skull = rng.uniform([-0.44, -0.6, -0.5], [0.44, 0.6, 0.5], (2000, 3))
    size = 512
    cameras = fit_cameras(rng, skull, np.zeros((5, 3)), size)
    matrix = cameras.world_to_camera[0]
    points = skull @ matrix[:3, :3].T + matrix[:3, 3]
    pixels = points[:, :2] / points[:, 2:] * cameras.intrinsics[0, 0, 0] + size / 2
    extent = pixels.max(axis=0) - pixels.min(axis=0)
    # Frames move by up to a few hundredths about the clip's crop.
    assert 0.9 * CROP_FACTOR[0] < size / np.sqrt(np.prod(extent)) < 1.1 * CROP_FACTOR[1]
    assert np.abs((pixels.max(axis=0) + pixels.min(axis=0)) / 2 - size / 2).max() < 0.1 * size
    np.testing.assert_array_equal(cameras.intrinsics[0, :2, 2], size / 2)


def test_looks_are_made_of_what_there_is():
    rng = np.random.default_rng(0)
    for _ in range(100):
        person = sample_person(rng)
        look = sample_look(rng, person, NAMES)
        assert sum(person.race) == pytest.approx(1.0)
        assert set(look.skin.textures) <= set(NAMES["skins"])
        assert look.hair.style in (*NAMES["hair"], "")
        assert look.garment.name.split("_")[0] == person.labels[2]
        assert look.skin.beard == "" or person.labels[2] == "male"
