"""Pairs: which frames they hold, in whose shape, and which data are refused."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from omg_jax.data.clips import Origin, load_clip, save_clip, write_index
from omg_jax.data.frame_source import open_frames
from omg_jax.evaluation.pair_sets import open_pairs, pair_sha256, pairs_of
from omg_jax.evaluation.protocol import PROTOCOLS
from omg_jax.types import Torso
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.evaluation.small_clips import FRAMES, small_pairs


def test_a_clip_is_photo_driver_and_target(clips, head):
    pairs = small_pairs(clips, head, "self").pairs
    assert list(pairs) == ["anna", "bert"]
    pair, clip = pairs["anna"](), load_clip(clips / "anna")
    assert (pair.name, pair.has_targets) == ("anna", True)
    assert pair.frame_numbers == FRAMES["anna"][1:]
    shown = clip.mattes > 0
    np.testing.assert_array_equal(pair.source_image, np.float32(clip.images[0] / np.float32(255)) * shown[0, ..., None])
    assert pair.driver_images[~shown[1:]].max() == 0.0
    np.testing.assert_array_equal(pair.driver_camera.world_to_camera, clip.camera.world_to_camera[1:])
    np.testing.assert_array_equal(pair.source_params.expression_params, clip.head_params.expression_params[0])


def test_another_clip_drives_the_photo_in_the_photos_shape(clips, head):
    pairs = small_pairs(clips, head, "cross").pairs
    assert list(pairs) == ["anna--bert", "bert--anna"]
    pair, anna, bert = pairs["anna--bert"](), load_clip(clips / "anna"), load_clip(clips / "bert")
    assert (pair.name, pair.has_targets) == ("anna--bert", False)
    assert pair.frame_numbers == FRAMES["bert"]
    np.testing.assert_array_equal(pair.driver_params.shape_params, np.tile(anna.head_params.shape_params[0], (3, 1)))
    np.testing.assert_array_equal(pair.driver_params.expression_params, bert.head_params.expression_params)


def test_a_torso_moves_since_the_photo_or_since_the_drivers_own_reference(clips, head, tmp_path):
    rng = np.random.default_rng(0)
    torsos = {}
    for name in FRAMES:
        clip = load_clip(clips / name)
        poses = np.tile(np.eye(4, dtype=np.float32), (2, len(clip.images), 1, 1))
        poses[0, :, :3, :3] = Rotation.random(len(clip.images), random_state=0).as_matrix()
        poses[0, :, :3, 3] = rng.normal(size=(len(clip.images), 3))
        torsos[name] = Torso(*poses)
        save_clip(tmp_path / name, clip._replace(torso=torsos[name]), Origin(name, 25.0, FRAMES[name]))
    write_index(tmp_path, head.name, head.sha256)
    own, photo = small_pairs(tmp_path, head, "self").pairs["anna"](), load_clip(clips / "anna")
    whole = torsos["anna"].motion
    np.testing.assert_allclose(own.driver_torso.motion @ whole[0], whole[1:], **FLOAT32_ROUNDING)
    np.testing.assert_array_equal(own.driver_torso.reference[0], photo.camera.world_to_camera[0])
    other = small_pairs(tmp_path, head, "cross").pairs["anna--bert"]()
    np.testing.assert_array_equal(other.driver_torso.motion, torsos["bert"].motion)
    without = small_pairs(clips, head, "self").pairs["anna"]()
    assert without.driver_torso is None and pair_sha256(without) != pair_sha256(own)


def test_the_digest_tells_what_a_pair_holds(clips, head):
    pairs = small_pairs(clips, head, "self").pairs
    pair = pairs["anna"]()
    assert pair_sha256(pair) == pair_sha256(pairs["anna"]())
    images = pair.driver_images.copy()
    images[-1, 32, 32, 0] += 1.0 / 255.0
    for other in (pair._replace(driver_images=images), pair._replace(frame_numbers=(1, 2, 3)), pairs["bert"]()):
        assert pair_sha256(other) != pair_sha256(pair)


def test_what_cannot_be_evaluated_is_refused(clips, head, tmp_path):
    with pytest.raises(ValueError, match="is no dataset"):
        open_pairs(str(tmp_path), PROTOCOLS["self"], head)
    with pytest.raises(ValueError, match="are 64x64, expected 512x512"):
        open_pairs(str(clips), PROTOCOLS["self"], head)
    with pytest.raises(ValueError, match="give the head of the data by --head"):
        small_pairs(clips, head._replace(sha256="another"), "self")


def test_a_split_is_named_with_its_dataset(clips, head, tmp_path):
    (tmp_path / "vfhq").mkdir()
    (tmp_path / "vfhq" / "test").symlink_to(clips)
    source = open_frames(clips)
    linked = pairs_of(source, "vfhq/test", small_pairs(clips, head, "self").protocol, head)
    assert linked.data == {"name": "vfhq/test", "sha256": source.sha256}
