"""Clips on disk: what is written comes back, and nothing half-written is ever seen."""

import json

import numpy as np
import pytest

from omg_jax.data.clips import Clip, load_clip, load_index, save_clip, write_index
from omg_jax.types import Camera, HeadParams, Torso
from tests.tolerances import JPEG_LEVELS

NUM_FRAMES, SIZE = 3, 16


@pytest.fixture
def clip():
    rng = np.random.default_rng(0)
    ramp = np.outer(np.linspace(0.3, 1.0, NUM_FRAMES), np.linspace(0, 255, SIZE))
    images = np.broadcast_to(ramp[:, :, None, None], (NUM_FRAMES, SIZE, SIZE, 3))
    sizes = {"shape_params": 4, "expression_params": 5, "eye_pose": 6}
    params = {name: rng.standard_normal((NUM_FRAMES, sizes.get(name, 3))) for name in HeadParams._fields}
    return Clip(
        images=images.astype(np.uint8),
        mattes=rng.integers(0, 256, (NUM_FRAMES, SIZE, SIZE)).astype(np.uint8),
        head_params=HeadParams(**{name: value.astype(np.float32) for name, value in params.items()}),
        camera=Camera(
            rng.standard_normal((NUM_FRAMES, 4, 4)).astype(np.float32),
            rng.standard_normal((NUM_FRAMES, 3, 3)).astype(np.float32),
        ),
    )


def test_clip_comes_back(tmp_path, clip):
    save_clip(tmp_path / "a", clip)
    loaded = load_clip(tmp_path / "a")
    np.testing.assert_array_equal(loaded.mattes, clip.mattes)
    for name in HeadParams._fields:
        np.testing.assert_array_equal(getattr(loaded.head_params, name), getattr(clip.head_params, name))
    np.testing.assert_array_equal(loaded.camera.world_to_camera, clip.camera.world_to_camera)
    np.testing.assert_allclose(loaded.images.astype(float), clip.images.astype(float), **JPEG_LEVELS)


def test_a_torso_comes_back_with_its_frames(tmp_path, clip):
    torso = Torso(*np.random.default_rng(1).standard_normal((2, NUM_FRAMES, 4, 4)).astype(np.float32))
    save_clip(tmp_path / "a", clip._replace(torso=torso))
    for read, saved in zip(load_clip(tmp_path / "a", frames=[2, 0]).torso, torso, strict=True):
        np.testing.assert_array_equal(read, saved[[2, 0]])
    save_clip(tmp_path / "b", clip)
    assert load_clip(tmp_path / "b").torso is None


def test_chosen_frames_come_in_the_given_order(tmp_path, clip):
    save_clip(tmp_path / "a", clip)
    some = load_clip(tmp_path / "a", frames=[2, 0])
    np.testing.assert_array_equal(some.mattes, clip.mattes[[2, 0]])
    np.testing.assert_array_equal(some.head_params.eye_pose, clip.head_params.eye_pose[[2, 0]])


@pytest.mark.parametrize("frames", [[3], [-1], []])
def test_frames_outside_the_clip_are_refused(tmp_path, clip, frames):
    save_clip(tmp_path / "a", clip)
    with pytest.raises(ValueError, match="frames must lie in 0..2"):
        load_clip(tmp_path / "a", frames=frames)


def test_failed_write_leaves_nothing(tmp_path, clip, monkeypatch):
    with pytest.raises(ValueError, match="number of frames"):
        save_clip(tmp_path / "a", clip._replace(mattes=clip.mattes[:2]))

    def disk_full(*_args, **_kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", disk_full)
    with pytest.raises(OSError, match="no space"):
        save_clip(tmp_path / "a", clip)
    assert list(tmp_path.iterdir()) == []


def test_clip_is_never_overwritten(tmp_path, clip):
    save_clip(tmp_path / "a", clip)
    with pytest.raises(ValueError, match="exists already"):
        save_clip(tmp_path / "a", clip)


def test_index_lists_finished_clips_in_order(tmp_path, clip):
    for name in ("b", "a"):
        save_clip(tmp_path / name, clip)
    (tmp_path / ".c-unfinished").mkdir()
    (tmp_path / ".c-unfinished" / "params.npz").write_bytes(b"")
    written = write_index(tmp_path, "arkit", "1234")
    assert load_index(tmp_path) == written
    assert written.names == ("a", "b")
    assert written.num_frames == (NUM_FRAMES, NUM_FRAMES)
    assert written.image_size == (SIZE, SIZE)
    assert written.folder(1) == tmp_path / "b"
    save_clip(tmp_path / "c", clip)
    assert write_index(tmp_path, "arkit", "1234").sha256 != written.sha256


def test_index_says_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="index.json is missing"):
        load_index(tmp_path)
    with pytest.raises(ValueError, match="holds no clip"):
        write_index(tmp_path, "arkit", "1234")
    (tmp_path / "index.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        load_index(tmp_path)
    with pytest.raises(ValueError, match="is not a clip"):
        load_clip(tmp_path)
