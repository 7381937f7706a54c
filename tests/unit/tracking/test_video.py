"""Reading frames of video files."""

import cv2
import numpy as np
import pytest

from omg_jax.tracking.video import video_frames, video_info

NUM_FRAMES, FPS = 7, 12.5
COLOURS = [(30 * index, 200 - 20 * index, 90) for index in range(NUM_FRAMES)]


@pytest.fixture
def clip(tmp_path):
    """Frames of one colour each, coded without loss."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), FPS, (64, 48))
    for colour in COLOURS:
        writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    return path


def test_frames_come_in_order_as_rgb(clip):
    frames = list(video_frames(clip))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * NUM_FRAMES
    assert [tuple(frame[20, 30].tolist()) for frame in frames] == COLOURS


def test_info_and_limit(clip):
    assert video_info(clip) == (FPS, NUM_FRAMES)
    assert len(list(video_frames(clip, max_frames=3))) == 3


def test_what_is_no_video_is_refused(tmp_path):
    text = tmp_path / "clip.mp4"
    text.write_text("no video\n" * 50)
    with pytest.raises(ValueError, match="clip.mp4 is not a readable video"):
        video_info(text)
    with pytest.raises(ValueError, match="no video at"):
        next(video_frames(tmp_path / "absent.mp4"))
