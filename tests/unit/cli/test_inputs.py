"""What the commands say of the photos and videos that they are given."""

from pathlib import Path

import numpy as np
import pytest

from omg_jax.cli import inputs
from omg_jax.cli.inputs import MIN_FACE_WIDTH, check_max_frames, demo_motion, track_clip, track_portrait
from omg_jax.head.load import load_head
from omg_jax.tracking.track import TrackedMotion, TrackedPhoto

PHOTO = np.zeros((64, 64, 3), np.float32)


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.mark.parametrize(
    ("num_faces", "width", "said"),
    [(1, MIN_FACE_WIDTH, []), (3, MIN_FACE_WIDTH, ["3 faces", "largest"]), (1, 31.4, ["31 pixels", "80 pixels"])],
)
def test_a_photo_that_is_odd_gets_one_line_with_its_name(monkeypatch, capsys, head, num_faces, width, said):
    def tracker(image, head, source):
        assert source == "a/photo.png"  # so that its errors name the file
        return TrackedPhoto(image, image[..., 0], None, None, num_faces, width)

    monkeypatch.setattr(inputs, "track_photo", tracker)
    assert track_portrait(PHOTO, head, Path("a/photo.png")).num_faces == num_faces
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (1 if said else 0)
    assert all(word in lines[0] for word in (*said, *["a/photo.png"] * len(said)))


@pytest.mark.parametrize(
    ("num_faces", "num_missing", "said"),
    [(1, 0, []), (2, 0, ["2 faces"]), (1, 5, ["5 of 120 frames"]), (2, 5, ["2 faces", "5 of"])],
)
def test_a_videos_faces_are_reported_and_noted(monkeypatch, capsys, head, num_faces, num_missing, said):
    tracked = TrackedMotion(demo_motion(head), num_faces, num_missing)
    monkeypatch.setattr(inputs, "track_motion", lambda *_: tracked)
    motion, facts = track_clip(Path("clip.mp4"), head)
    assert motion is tracked.motion
    assert facts == {"faces_in_video": num_faces, "frames_without_face": num_missing}
    notes = [line for line in capsys.readouterr().err.splitlines() if tracked.motion.source in line]
    assert [word in line for word, line in zip(said, notes, strict=True)] == [True] * len(said)


@pytest.mark.parametrize("count", [0, -1])
def test_no_frames_are_no_choice(count):
    with pytest.raises(ValueError, match=f"--max-frames must be at least 1, got {count}"):
        check_max_frames(count)
