"""A tracked video as a clip."""

from pathlib import Path

import numpy as np
import pytest

from omg_jax.cli.clips import video_clip
from omg_jax.data.clips import Origin
from omg_jax.data.sampling import spread_frames
from omg_jax.tracking import matte, track, video
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.shots import Shot
from omg_jax.tracking.track import TrackedClip
from omg_jax.tracking.video import VideoInfo
from tests.unit.data.marked_clips import marked_clip

START, NUM_FRAMES, LEVEL, MATTE = 5, 8, 200, 51  # a fifth of the white of mattes


@pytest.fixture
def tracked(monkeypatch):
    """The tracker finds grey frames behind a thin matte from the video's frame START on; the header claims `count`."""
    clip = marked_clip(1, NUM_FRAMES)
    motion = Motion(clip.head_params, clip.camera, (512, 512), 30.0, "arkit", "0", "a.mp4", clip.torso)
    portrait = np.full((512, 512, 3), LEVEL, np.uint8)
    share = np.full((512, 512), MATTE / 255, np.float32)
    monkeypatch.setattr(track, "portraits", lambda path, tracked: iter([portrait] * NUM_FRAMES))
    monkeypatch.setattr(matte, "PortraitMatte", lambda: lambda image: share)

    def claim(count: int, num_shots: int) -> None:
        found = TrackedClip(motion, Shot(START, START + NUM_FRAMES), 0, None, num_shots, None)
        monkeypatch.setattr(track, "track_motion", lambda path, head: found)
        monkeypatch.setattr(video, "video_info", lambda path: VideoInfo(30.0, count))

    return claim


def test_chosen_frames_lie_on_black(tracked):
    tracked(100, 2)
    clip, origin = video_clip(Path("a.mp4"), "arkit", lambda count: spread_frames(count, 3))
    assert origin == Origin("a.mp4", 30.0, (START, START + 4, START + 7))
    assert clip.images.shape == (3, 512, 512, 3) and np.all(clip.images == LEVEL * MATTE // 255)
    assert clip.head_params.shape_params[:, 1].tolist() == [0, 4, 7]
    np.testing.assert_array_equal(clip.torso.reference, clip.camera.world_to_camera)


def test_a_video_that_is_cut_short_is_refused(tracked):
    tracked(100, 1)
    with pytest.raises(ValueError, match="cut short: 13 of its 100 frames"):
        video_clip(Path("a.mp4"), "arkit", lambda count: spread_frames(count, 3))
