"""Bad input: one sentence on stderr, exit code 2, and nothing written."""

import pickle
from pathlib import Path

import pytest

from omg_jax.head.load import load_head
from omg_jax.tracking.motion import load_motion, save_motion


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where a command is told to write."""
    path = tmp_path / "output"
    path.mkdir()
    return path


def assert_refused(run, folder: Path, *words: str) -> None:
    """One line that holds these words, exit code 2, and an empty output folder."""
    assert run.code == 2
    assert run.out == ""
    message = run.err.rstrip("\n").splitlines()[-1]
    assert message.startswith("omg: ")
    for word in words:
        assert word in message
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("photo", "words"),
    [("no face", ["no_face.png", "face"]), ("20x20", ["20x20", "64"]), ("text", ["text.jpg", "picture"])],
)
def test_photos_that_show_no_head(omg, photos, tiny_weights, folder, photo, words):
    options = ["--preset", "tiny", "--weights", tiny_weights]
    run = omg("reconstruct", photos[photo], "-o", folder / "avatar.omg", *options)
    assert_refused(run, folder, *words)


def test_a_missing_photo(omg, tiny_weights, folder):
    run = omg("reconstruct", folder / "none.jpg", "-o", folder / "a.omg", "--preset", "tiny", "--weights", tiny_weights)
    assert_refused(run, folder, "none.jpg")


def test_an_avatar_is_not_written_over_its_photo(omg, photos, folder):
    before = photos["one face"].read_bytes()
    run = omg("reconstruct", photos["one face"], "-o", photos["one face"])
    assert_refused(run, folder, "must end in .omg", photos["one face"].name)
    assert photos["one face"].read_bytes() == before


class Foreign:
    """A class that no FLAME file holds."""


def test_a_flame_pickle_with_a_foreign_class(omg, photos, folder, tmp_path):
    path = tmp_path / "flame.pkl"
    path.write_bytes(pickle.dumps({"v_template": Foreign()}))
    run = omg("reconstruct", photos["one face"], "-o", folder / "avatar.omg", "--head", f"flame:{path}")
    assert_refused(run, folder, "flame.pkl", "Foreign")


def test_weights_that_are_none(omg, photos, folder):
    run = omg("reconstruct", photos["one face"], "-o", folder / "avatar.omg", "--weights", photos["text"])
    assert_refused(run, folder, "text.jpg", "weights")


def test_an_unknown_preset(omg, photos, folder):
    run = omg("reconstruct", photos["one face"], "-o", folder / "avatar.omg", "--preset", "huge")
    assert_refused(run, folder, "huge", "small")


def test_a_truncated_avatar(omg, tiny_avatar, short_motion, folder, tmp_path):
    path = tmp_path / "cut.omg"
    content = tiny_avatar.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    run = omg("animate", path, "--driver", short_motion, "-o", folder / "out.mp4")
    assert_refused(run, folder, "cut.omg", "cut short")


def test_a_motion_of_another_head(omg, tiny_avatar, tiny_weights, short_motion, folder, tmp_path):
    motion = load_motion(short_motion, load_head("arkit"))
    path = tmp_path / "foreign.npz"
    save_motion(path, motion._replace(head_name="flame", head_sha256="0" * 64))
    run = omg("animate", tiny_avatar, "--driver", path, "--weights", tiny_weights, "-o", folder / "out.mp4")
    assert_refused(run, folder, "foreign.npz", "flame", "arkit")


def test_a_motion_that_is_text(omg, tiny_avatar, tiny_weights, folder, tmp_path):
    path = tmp_path / "motion.npz"
    path.write_text("not a motion\n")
    run = omg("animate", tiny_avatar, "--driver", path, "--weights", tiny_weights, "-o", folder / "out.mp4")
    assert_refused(run, folder, "motion.npz")


def test_a_driver_that_is_no_video(omg, tiny_avatar, tiny_weights, photos, folder):
    run = omg("animate", tiny_avatar, "--driver", photos["text"], "--weights", tiny_weights, "-o", folder / "out.mp4")
    assert_refused(run, folder, "text.jpg")


def test_a_video_of_another_format(omg, tiny_avatar, tiny_weights, short_motion, folder):
    run = omg("animate", tiny_avatar, "--driver", short_motion, "--weights", tiny_weights, "-o", folder / "out.gif")
    assert_refused(run, folder, "mp4")


@pytest.mark.parametrize(("option", "number"), [("--fps", "-5.0"), ("--fps", "0.0"), ("--zoom", "0.0")])
def test_numbers_that_are_not_positive_are_refused_before_anything_is_read(omg, folder, option, number):
    run = omg("animate", folder / "none.omg", "--driver", folder / "none.mp4", option, number, "-o", folder / "out.mp4")
    assert_refused(run, folder, option, "expected positive", number)
