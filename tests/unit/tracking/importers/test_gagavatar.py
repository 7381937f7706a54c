"""GAGAvatar_track's files: what they say in their own formulas is what they say in ours."""

import pickle
import sys

import numpy as np
import pytest

from omg_jax.geometry.camera import world_to_camera_points, world_to_pixels
from omg_jax.head.load import load_head
from omg_jax.head.model import head_vertices
from omg_jax.tracking.importers.gagavatar import read_gagavatar
from omg_jax.tracking.importers.read import chosen_track, read_tracks
from omg_jax.tracking.importers.track import check_edition, flame_edition, imported_motion, imported_portraits
from omg_jax.tracking.motion import load_motion, save_motion
from tests.parity.flame_file import flame_fields, write_flame_pickle
from tests.tolerances import JPEG_LEVELS, PIXEL_POSITIONS, SKINNING
from tests.unit.tracking.importers.source_formulas import (
    gagavatar_pixels,
    gagavatar_record,
    gagavatar_vertices,
    gagavatar_view,
    on_device,
    write_gagavatar,
)

SEED = 3
KEYS = ("obama_2", "obama_10", "obama_0", "my_dog_1", "my_dog_0")


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    path = tmp_path_factory.mktemp("flame") / "generic_model.pkl"
    write_flame_pickle(path, SEED)
    return load_head(f"flame:{path}")


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    return {key: gagavatar_record(rng) for key in KEYS}


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("gagavatar") / "driver"
    write_gagavatar(path, records)
    return path


def changed(records, **fields):
    return {key: {**record, **fields} for key, record in records.items()}


def test_videos_and_frames_come_in_order(folder, records):
    dog, obama = read_tracks(folder)
    assert (dog.name, dog.frame_numbers) == ("my_dog", (0, 1))
    assert (obama.name, obama.frame_numbers) == ("obama", (0, 2, 10))
    np.testing.assert_array_equal(obama.head_params.expression_params[2], records["obama_10"]["expcode"])
    np.testing.assert_array_equal(obama.head_params.jaw_pose[1], records["obama_2"]["posecode"][3:])


def test_vertices_and_camera_agree_with_the_source_convention(folder, records, head):
    fields = flame_fields(SEED)
    motion = imported_motion(chosen_track(read_tracks(folder), "obama"), head)
    vertices = head_vertices(head.model, motion.head_params)
    in_camera = world_to_camera_points(on_device(motion.camera), vertices)
    pixels, _ = world_to_pixels(on_device(motion.camera), vertices)
    for frame, key in enumerate(("obama_0", "obama_2", "obama_10")):
        expected = gagavatar_vertices(fields, records[key])
        np.testing.assert_allclose(vertices[frame], expected, **SKINNING)
        view = gagavatar_view(records[key], expected)
        np.testing.assert_allclose(in_camera[frame], view * [-1, -1, 1], **SKINNING)
        np.testing.assert_allclose(pixels[frame], gagavatar_pixels(view), **PIXEL_POSITIONS)


def test_rotation_of_the_root_goes_into_the_camera(folder, records, head, tmp_path):
    turned = changed(records, posecode=np.array([0.3, -0.2, 0.1, 0.2, 0.0, 0.0], np.float32))
    write_gagavatar(tmp_path / "turned", turned)
    motion = imported_motion(chosen_track(read_tracks(tmp_path / "turned"), "obama"), head)
    assert not np.any(motion.head_params.global_rotation)
    in_camera = world_to_camera_points(on_device(motion.camera), head_vertices(head.model, motion.head_params))
    view = gagavatar_view(turned["obama_0"], gagavatar_vertices(flame_fields(SEED), turned["obama_0"]))
    np.testing.assert_allclose(in_camera[0], view * [-1, -1, 1], **SKINNING)


def test_a_motion_file_is_made_of_it(folder, head, tmp_path):
    motion = imported_motion(chosen_track(read_tracks(folder), "obama"), head)
    save_motion(tmp_path / "motion.npz", motion)
    loaded = load_motion(tmp_path / "motion.npz", head)
    assert (loaded.fps, loaded.image_size) == (25.0, (512, 512))
    np.testing.assert_array_equal(loaded.camera.world_to_camera, motion.camera.world_to_camera)


def test_pictures_become_portraits_with_a_matte(folder, head):
    portraits = imported_portraits(
        chosen_track(read_tracks(folder), "obama"), head, lambda image: (image[..., 0] > 30).astype(np.float32)
    )
    assert portraits.images.shape == (3, 512, 512, 3) and portraits.mattes[0, 200, 200] == 255
    levels = [60 + 20 * KEYS.index(key) for key in ("obama_0", "obama_2", "obama_10")]
    for image, level in zip(portraits.images, levels, strict=True):
        np.testing.assert_allclose(image[150:350, 150:350].astype(float), level, **JPEG_LEVELS)
        assert not image[:90].any()


def test_the_pickle_alone_has_no_pictures(records, head, tmp_path):
    (tmp_path / "optim.pkl").write_bytes(pickle.dumps(records))
    track = chosen_track(read_gagavatar(tmp_path / "optim.pkl"), "obama")
    with pytest.raises(ValueError, match="has no pictures"):
        imported_portraits(track, head, lambda image: image[..., 0])


def test_missing_lmdb_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ImportError, match=r"omg_jax\[lmdb\]"):
        read_tracks(folder)[0].picture(0)


class Foreign:
    """A class that has no place in a file of arrays."""


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"a_0": Foreign()}, "is refused: it holds .*Foreign"),
        ([1, 2], "expected a dict of frames"),
        ({"a_0": {"emica_results": {}, "bbox": 0}}, r"base\.pkl"),
        ({"a_0": {"shape": np.zeros(100, np.float32)}}, "lacks shapecode"),
    ],
)
def test_another_layout_is_named(content, named, tmp_path):
    (tmp_path / "optim.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=named):
        read_tracks(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("shapecode", np.zeros(100, np.float32), r"shapecode of frame obama_2 .* \(300,\).* got shape \(100,\)"),
        ("expcode", np.full(100, np.nan, np.float32), "expcode of frame obama_2"),
        ("transform_matrix", np.eye(4, dtype=np.float32), r"\(3, 4\)"),
        ("transform_matrix", np.full((3, 4), 0.5, np.float32), "holds no rotation"),
    ],
)
def test_wrong_numbers_are_named(records, tmp_path, name, value, named):
    (tmp_path / "optim.pkl").write_bytes(pickle.dumps(changed(records, **{name: value})))
    with pytest.raises(ValueError, match=named):
        read_tracks(tmp_path)


def test_a_truncated_pickle_is_named(folder, tmp_path):
    data = (folder / "smoothed.pkl").read_bytes()
    (tmp_path / "smoothed.pkl").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is the file complete"):
        read_tracks(tmp_path)


def test_a_choice_that_is_open_is_refused(folder):
    with pytest.raises(ValueError, match="--track one of my_dog, obama"):
        chosen_track(read_tracks(folder), "")


def test_another_head_and_another_edition_are_named(folder):
    track = read_tracks(folder)[0]
    with pytest.raises(ValueError, match="give the FLAME 2020 file"):
        imported_motion(track, load_head("arkit"))
    with pytest.raises(ValueError, match="is FLAME 2023 by its name, but codes of GAGAvatar_track.*2020"):
        check_edition(track, "models/flame2023.pkl")
    with pytest.raises(ValueError, match="2023 without jaw"):
        check_edition(track, "models/flame2023_no_jaw.pkl")
    check_edition(track, "models/generic_model.pkl")
    check_edition(read_tracks(folder, "2023")[0], "models/flame2023.pkl")
    assert flame_edition("FLAME2020.npz") == "2020" and flame_edition("generic_model.pkl") is None


def test_what_is_no_tracking_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no tracker known"):
        read_tracks(tmp_path)
    with pytest.raises(ValueError, match="nothing at"):
        read_tracks(tmp_path / "absent")
