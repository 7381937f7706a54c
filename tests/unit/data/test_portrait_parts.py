"""Textures, light, motions and cameras of synthetic portraits."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from omg_jax.data.portraits.cameras import CROP_FACTOR, fit_cameras
from omg_jax.data.portraits.look import sample_look, sample_person
from omg_jax.data.portraits.motion import CLOSED_BLINK, sample_motion
from omg_jax.data.portraits.shading import MATERIALS, Light, Material, shade
from omg_jax.data.portraits.textures import load_texture, sample_texture, shift_colours, tint
from omg_jax.geometry.rotations import axis_angle_to_matrix
from tests.tolerances import FLOAT32_ROUNDING, TEXTURE_BORDER

UNITS = tuple(
    stem + side
    for stem in ("eyeBlink", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown", "eyeWide", "mouthSmile", "browDown")
    for side in ("Left", "Right")
) + ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "tongueOut", "browInnerUp")
NAMES = {
    "skins": ("young_african_female", "old_caucasian_male", "young_caucasian_female2"),
    "hair": ("short01", "long01", "afro01"),
    "eyebrows": ("b1",),
    "eyelashes": ("l1",),
    "irises": ("brown", "blue"),
    "teeth": ("t1",),
    "clothes": ("female_suit", "male_suit"),
}


def test_texture_is_linear_and_premultiplied(tmp_path):
    Image.fromarray(np.array([[[255, 128, 0, 128]]], np.uint8)).save(tmp_path / "a.png")
    texture = load_texture(tmp_path / "a.png")
    alpha = 128 / 255
    np.testing.assert_allclose(texture[0, 0], [alpha, alpha**3, 0.0, alpha], **FLOAT32_ROUNDING)


def test_bilinear_lookup_hits_texel_centres_and_averages_between():
    texture = np.zeros((2, 2, 4), np.float32)
    texture[0, 0, 0], texture[0, 1, 0], texture[1, 0, 0] = 1.0, 2.0, 4.0
    # v runs upwards: the first row is at the top.
    uvs = np.array([[0.25, 0.75], [0.75, 0.75], [0.25, 0.25], [0.5, 0.75], [0.25, 0.5]])
    values = sample_texture(texture, uvs)[:, 0]
    np.testing.assert_allclose(values[:3], [1.0, 2.0, 4.0], **TEXTURE_BORDER)
    np.testing.assert_allclose(values[3:], [1.5, 2.5], **FLOAT32_ROUNDING)


def test_hue_shift_keeps_grey_and_a_full_turn_keeps_all():
    rng = np.random.default_rng(0)
    texture = np.concatenate([rng.uniform(0.1, 0.5, (3, 3, 3)), np.ones((3, 3, 1))], axis=2).astype(np.float32)
    np.testing.assert_allclose(shift_colours(texture, 2 * np.pi, 1.0, 1.0), texture, **FLOAT32_ROUNDING)
    grey = np.full((1, 1, 4), 0.5, np.float32)
    np.testing.assert_allclose(shift_colours(grey, 1.3, 0.4, 1.0), grey, **FLOAT32_ROUNDING)


def test_tint_paints_and_keeps_alpha():
    texture = np.full((2, 2, 4), 0.5, np.float32)
    texture[0] = 0.0
    painted = tint(texture, np.array([0.4, 0.2, 0.1]))
    np.testing.assert_array_equal(painted[..., 3], texture[..., 3])
    np.testing.assert_array_equal(painted[0, :, :3], 0.0)
    assert painted[1, 0, 0] > painted[1, 0, 1] > painted[1, 0, 2] > 0.0


def one_light(direction) -> Light:
    return Light(np.zeros((4, 3), np.float32), np.array([direction], np.float32), np.ones((1, 3), np.float32))


@pytest.mark.parametrize("two_sided, expected", [(False, 0.0), (True, 0.5)])
def test_light_from_the_camera_reaches_back_faces_of_two_sided_surfaces_only(two_sided, expected):
    material = Material(wrap=(0.0, 0.0, 0.0), specular=0.0, sharpness=0, two_sided=two_sided)
    albedo = np.array([[0.5, 0.5, 0.5, 1.0]], np.float32)
    away = np.array([[0.0, 0.0, 1.0]], np.float32)
    open_sky, no_shadow = np.ones(1, np.float32), np.ones((1, 1), np.float32)
    lit = shade(one_light([0.0, 0.0, -1.0]), material, albedo, away, open_sky, no_shadow)
    np.testing.assert_allclose(lit[0], [expected, expected, expected, 1.0], **FLOAT32_ROUNDING)


def test_shadow_and_closed_sky_leave_black():
    light = one_light([0.0, 0.0, -1.0])._replace(ambient=np.ones((4, 3), np.float32))
    albedo, normal = np.ones((1, 4), np.float32), np.array([[0.0, 0.0, -1.0]], np.float32)
    dark = shade(light, MATERIALS["skin"], albedo, normal, np.zeros(1, np.float32), np.zeros((1, 1), np.float32))
    np.testing.assert_array_equal(dark[0, :3], 0.0)


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
        assert look.skin in NAMES["skins"]
        assert look.hair in (*NAMES["hair"], "")
        assert look.iris in NAMES["irises"]
        assert look.garment.split("_")[0] == person.labels[2]
