"""A tracked video as a clip."""

from pathlib import Path

import numpy as np
import pytest

from omg_jax.cli.clips import video_clip
from omg_jax.data.clips import Origin
from omg_jax.data.sampling import spread_frames
from omg_jax.tracking import track, video
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.track import TrackedVideo
from omg_jax.tracking.video import VideoInfo
from tests.unit.data.marked_clips import marked_clip

NUM_FRAMES, LEVEL, MATTE = 8, 200, 51  # a fifth of the white of mattes


@pytest.fixture
def tracked(monkeypatch):
    """The tracker finds grey frames behind a thin matte; the header claims what the test says."""
    clip = marked_clip(1, NUM_FRAMES)
    motion = Motion(clip.head_params, clip.camera, (512, 512), 30.0, "arkit", "0", "a.mp4")
    images = np.full((NUM_FRAMES, 512, 512, 3), LEVEL, np.uint8)
    mattes = np.full((NUM_FRAMES, 512, 512), MATTE, np.uint8)
    monkeypatch.setattr(track, "track_video", lambda path, head: TrackedVideo(motion, images, mattes, 1, 0))

    def claim(count: int) -> None:
        monkeypatch.setattr(video, "video_info", lambda path: VideoInfo(30.0, count))

    return claim


def test_chosen_frames_lie_on_black(tracked):
    tracked(NUM_FRAMES)
    clip, origin = video_clip(Path("a.mp4"), "arkit", lambda count: spread_frames(count, 3))
    assert origin == Origin("a.mp4", 30.0, (0, 4, 7))
    assert clip.images.shape == (3, 512, 512, 3) and np.all(clip.images == LEVEL * MATTE // 255)
    assert clip.head_params.shape_params[:, 1].tolist() == [0, 4, 7]


def test_a_video_that_is_cut_short_is_refused(tracked):
    tracked(100)
    with pytest.raises(ValueError, match="cut short: 8 of its 100 frames"):
        video_clip(Path("a.mp4"), "arkit", lambda count: spread_frames(count, 3))
