"""Motion files: what is written is read, and what is not a motion of this head is refused."""

from importlib import resources

import jax
import numpy as np
import pytest

from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.tracking.motion import Motion, load_motion, save_motion
from omg_jax.tracking.solve import TRACKED_FOCAL
from omg_jax.types import Camera, HeadParams, Torso

NUM_FRAMES = 4


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture
def motion(head) -> Motion:
    rng = np.random.default_rng(0)
    sizes = {
        "shape_params": head.model.shape_basis.shape[-1],
        "expression_params": head.model.expression_basis.shape[-1],
        "eye_pose": 6,
    }
    arrays = {name: rng.normal(size=(NUM_FRAMES, sizes.get(name, 3))) for name in HeadParams._fields}
    params = HeadParams(**{name: array.astype(np.float32) for name, array in arrays.items()})
    camera = Camera(*(rng.normal(size=(NUM_FRAMES, n, n)).astype(np.float32) for n in (4, 3)))
    torso = Torso(*rng.normal(size=(2, NUM_FRAMES, 4, 4)).astype(np.float32))
    return Motion(params, camera, (512, 512), 23.976, head.name, head.sha256, "clip.mp4", torso)


def test_what_is_saved_is_loaded(motion, head, tmp_path):
    save_motion(tmp_path / "motion.npz", motion)
    loaded = load_motion(tmp_path / "motion.npz", head)
    assert loaded[2:-1] == motion[2:-1]
    jax.tree.map(np.testing.assert_array_equal, loaded[:2] + loaded[-1:], motion[:2] + motion[-1:])


def test_a_motion_may_be_without_a_torso(motion, head, tmp_path):
    save_motion(tmp_path / "motion.npz", motion._replace(torso=None))
    assert load_motion(tmp_path / "motion.npz", head).torso is None


def test_a_torso_of_other_frames_is_refused(motion, head, tmp_path):
    torso = motion.torso._replace(motion=motion.torso.motion[1:])
    save_motion(tmp_path / "motion.npz", motion._replace(torso=torso))
    with pytest.raises(ValueError, match="torso_motion must be finite numbers of shape"):
        load_motion(tmp_path / "motion.npz", head)


def test_another_head_is_refused_by_name_and_by_hash(motion, head, tmp_path):
    path = tmp_path / "motion.npz"
    save_motion(path, motion._replace(head_name="flame"))
    with pytest.raises(ValueError, match="'flame'.*'arkit'"):
        load_motion(path, head)
    save_motion(path, motion._replace(head_sha256="0" * 64))
    with pytest.raises(ValueError, match="000000000000"):
        load_motion(path, head)


@pytest.mark.parametrize("damage", ["cut short", "text", "another archive"])
def test_what_is_no_motion_is_refused_in_one_sentence(motion, head, tmp_path, damage):
    path = tmp_path / "motion.npz"
    save_motion(path, motion)
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "text":
        path.write_text("not a motion\n")
    else:
        np.savez(path, something=np.zeros(3))
    with pytest.raises(ValueError, match="motion.npz is not a readable motion file"):
        load_motion(path, head)


def test_missing_file_names_the_command(head, tmp_path):
    with pytest.raises(ValueError, match="omg track"):
        load_motion(tmp_path / "absent.npz", head)


def test_numbers_that_are_not_finite_are_refused(motion, head, tmp_path):
    motion.head_params.eye_pose[1, 2] = np.nan
    save_motion(tmp_path / "motion.npz", motion)
    with pytest.raises(ValueError, match="eye_pose"):
        load_motion(tmp_path / "motion.npz", head)


def test_wrong_suffix_writes_nothing(motion, tmp_path):
    with pytest.raises(ValueError, match="npz"):
        save_motion(tmp_path / "motion.mp4", motion)
    assert list(tmp_path.iterdir()) == []


def test_shipped_motion_belongs_to_the_shipped_head_and_the_trackers_camera(head):
    """It fails when either changes: experiments/make_demo_motion.py measures the motion again."""
    with resources.as_file(resources.files("omg_jax").joinpath("assets", "demo_motion.npz")) as path:
        motion = load_motion(path, head)
    assert motion.camera.world_to_camera.shape == (120, 4, 4) and round(motion.fps) == 30
    np.testing.assert_array_equal(motion.camera.intrinsics[0], portrait_intrinsics(motion.image_size, TRACKED_FOCAL))
    jaw = motion.head_params.expression_params[:, head.expression_names.index("jawOpen")]
    assert jaw.max() - jaw.min() > 0.3, "a man who talks"
