"""The public clips: made once, whole or not at all, of frames that moved."""

import numpy as np
import pytest

from omg_jax.assets.registry import asset_path
from omg_jax.data.frame_source import open_frames
from omg_jax.evaluation import public
from omg_jax.evaluation.pair_sets import open_pairs
from omg_jax.evaluation.protocol import PROTOCOLS
from omg_jax.tracking.landmarks import FaceLandmarker
from omg_jax.tracking.video import video_frames

NUM_FRAMES = 40  # of the video; enough to move in


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache without the public clips, of which there is one: the start of a video."""
    monkeypatch.setattr(public, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(public, "PUBLIC_CLIPS", ("carphone",))
    monkeypatch.setattr(public, "NUM_TARGETS", 3)
    monkeypatch.setattr(public, "video_frames", lambda path: video_frames(path, NUM_FRAMES))
    return tmp_path


def test_clips_are_made_once_of_frames_that_moved(head, cache, monkeypatch):
    source = open_frames(public.public_clips(head))
    numbers = source.frame_numbers(0)
    assert (source.names, len(numbers), numbers[0]) == (("carphone",), 4, 0)
    landmarker = FaceLandmarker()
    frames = [frame for index, frame in enumerate(video_frames(asset_path("carphone"))) if index in numbers]
    first, *others = map(landmarker, frames)
    assert all(public.motion(seen, first) > public.MIN_MOTION for seen in others)
    clip = source.frames(0, range(4))
    assert np.ptp(clip.head_params.shape_params, axis=0).max() == 0.0
    assert clip.images[clip.mattes == 0].mean() < 1.0  # black but for JPEG's noise

    monkeypatch.setattr(public, "public_clip", None)
    pairs = open_pairs("public", PROTOCOLS["self"], head)
    assert (pairs.protocol.min_motion, pairs.data["name"]) == (public.MIN_MOTION, "public")
    assert pairs.pairs["carphone"]().frame_numbers == numbers[1:]


def test_what_fails_leaves_nothing_behind(head, cache, monkeypatch):
    def fail(*_) -> None:
        raise ValueError("a broken video")

    monkeypatch.setattr(public, "public_clip", fail)
    with pytest.raises(ValueError, match="a broken video"):
        public.public_clips(head)
    assert list(cache.iterdir()) == []
