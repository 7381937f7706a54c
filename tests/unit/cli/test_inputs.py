"""What the commands say of the photos and videos that they are given."""

from pathlib import Path

import numpy as np
import pytest

from omg_jax.cli import inputs
from omg_jax.cli.inputs import MIN_FACE_WIDTH, check_max_frames, demo_motion, track_clip, track_portrait
from omg_jax.head.load import load_head
from omg_jax.tracking.crops import SquareCrop
from omg_jax.tracking.quality import Quality
from omg_jax.tracking.shots import Shot
from omg_jax.tracking.track import TrackedClip, TrackedPhoto

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
    ("num_shots", "faces", "lost", "said"),
    [(1, 1, 0, []), (1, 2, 0, ["2 faces"]), (1, 1, 5, ["5 of 120 frames"]), (3, 2, 5, ["3 shots", "2 faces", "5 of"])],
)
def test_a_videos_faces_are_reported_and_noted(monkeypatch, capsys, head, num_shots, faces, lost, said):
    quality = Quality(120, lost, [], faces, 60.0, (0.5, 1.5), (1.0, 3.0), None)
    tracked = TrackedClip(demo_motion(head), Shot(0, 120), 0, SquareCrop((0.0, 0.0), 1.0), num_shots, quality)
    monkeypatch.setattr(inputs, "track_motion", lambda *_: tracked)
    motion, facts = track_clip(Path("clip.mp4"), head)
    assert motion is tracked.motion
    assert facts == {"faces_in_video": faces, "frames_without_face": lost}
    notes = [line for line in capsys.readouterr().err.splitlines() if tracked.motion.source in line]
    assert [word in line for word, line in zip(said, notes, strict=True)] == [True] * len(said)


@pytest.mark.parametrize("count", [0, -1])
def test_no_frames_are_no_choice(count):
    with pytest.raises(ValueError, match=f"--max-frames must be at least 1, got {count}"):
        check_max_frames(count)
