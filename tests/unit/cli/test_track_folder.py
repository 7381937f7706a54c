"""Many videos at once: what is done stays done, what is damaged is passed over."""

import json

import numpy as np
import pytest
from skimage import data

from omg_jax.cli import track_folder as module
from omg_jax.cli.track_folder import Clip, fingerprint, track_folder, track_into_folder, videos_of
from omg_jax.cli.video import write_video
from omg_jax.head.load import load_head
from omg_jax.tracking.motion import load_motion


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two talks, one of them with a cut, and two files that cannot be tracked."""
    folder = tmp_path_factory.mktemp("videos")
    photo = data.astronaut()[:300, :400]
    write_video(folder / "talk.mp4", [np.roll(photo, index, axis=1) for index in range(3)], fps=25.0)
    write_video(folder / "cut.mp4", [photo] * 7 + [photo[:, ::-1] // 2 + 60] * 7, fps=25.0)
    write_video(folder / "wall.mp4", [np.full_like(photo, 90)] * 3, fps=25.0)
    (folder / "zero.mp4").touch()
    (folder / "notes.txt").write_text("no video")
    return folder


def test_a_folder_is_tracked_and_what_is_damaged_is_passed_over(videos, tmp_path, capsys):
    facts = track_folder(videos, tmp_path / "motions", "arkit", "largest", tmp_path / "overlays", 2, None)
    assert (facts["videos"], facts["motions"], facts["passed_over"]) == (2, 3, ["wall.mp4", "zero.mp4"])
    said = capsys.readouterr().err
    assert "wall.mp4 is passed over: no face found" in said and "zero.mp4 is passed over" in said
    frames = {"talk": [0, 3], "cut.frame0.person0": [0, 7], "cut.frame7.person0": [7, 14]}
    assert {path.stem for path in (tmp_path / "motions").glob("*.npz")} == set(frames)
    assert {path.stem for path in (tmp_path / "overlays").glob("*.mp4")} == set(frames)
    head = load_head("arkit")
    for name, span in frames.items():
        quality = json.loads((tmp_path / "motions" / f"{name}.json").read_text())
        count = load_motion(tmp_path / "motions" / f"{name}.npz", head).camera.intrinsics.shape[0]
        assert quality["frames"] == count and quality["lost"] == []
        assert 0 < quality["error_percent_of_eye_distance"]["median"] < quality["error_percent_of_eye_distance"]["p95"]
        assert quality["frames_of_video"] == span
    assert not list((tmp_path / "motions").glob(".*")), "partial results are gone"


def test_what_is_done_is_not_done_again_unless_it_changed(videos, tmp_path, monkeypatch):
    clip = Clip(videos / "talk.mp4", tmp_path, "arkit", "largest", None)
    record = {"made_of": fingerprint(clip), "shots": 1, "motions": ["talk.npz"]}
    (tmp_path / "talk.tracked.json").write_text(json.dumps(record))
    (tmp_path / "talk.npz").touch()

    def track_people(*_):
        raise KeyError("tracked")

    monkeypatch.setattr(module, "track_people", track_people)
    assert track_into_folder(clip, None) == ["talk.npz"]
    with pytest.raises(KeyError, match="tracked"):
        track_into_folder(clip._replace(people="all"), None)
    with monkeypatch.context() as another_tracker, pytest.raises(KeyError, match="tracked"):
        another_tracker.setattr(module, "TRACKER_VERSION", module.TRACKER_VERSION + 1)
        track_into_folder(clip, None)
    (tmp_path / "talk.npz").unlink()
    with pytest.raises(KeyError, match="tracked"):
        track_into_folder(clip, None)


def test_folders_without_videos_or_with_twins_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no video in"):
        videos_of(tmp_path)
    (tmp_path / "a.mp4").touch(), (tmp_path / "a.mov").touch()
    with pytest.raises(ValueError, match="several videos named a"):
        videos_of(tmp_path)
    with pytest.raises(ValueError, match="--jobs must be at least 1, got 0"):
        track_folder(tmp_path, tmp_path, "arkit", "largest", None, 0, None)
