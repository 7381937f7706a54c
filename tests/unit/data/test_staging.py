"""Staging of clips: resumable, in processes, and never stopped by a bad video."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from omg_jax.data.clips import UNFINISHED_PREFIX, Clip, Origin, load_clip, read_encoded_clip, write_index
from omg_jax.data.sampling import HDTF_TEST, keep_frames, spread_frames, vfhq_train_frames
from omg_jax.data.staging import find_videos, stage_clips
from tests.running import TELLS_PROCESSES, is_running, wait_for
from tests.unit.data.marked_clips import marked_clip, same


def cheap_tracker(path: Path) -> tuple[Clip, Origin]:
    """Stands for the tracker: a file's text says what is in the video."""
    text = path.read_text()
    if not text:
        raise ValueError(f"{path} is not a readable video")
    if text == "no face":
        raise ValueError(f"no face found in any of the 9 frames of {path}")
    if text == "kill":
        os._exit(1)
    if text == "bug":
        raise KeyError("not a ValueError")
    number, fps = text.split()
    clip = marked_clip(int(number), 9)
    return keep_frames(clip, Origin(path.name, float(fps), tuple(range(9))), spread_frames(9, 3))


def slow_tracker(path: Path) -> tuple[Clip, Origin]:
    """Tells which process works on a file; all files but the first take for ever."""
    (path.parent / f"{path.stem}.{os.getpid()}").touch()
    if path.stem != "a":
        time.sleep(600)
    return cheap_tracker(path)


GOOD = {"a": "1 25", "c": "2 30", "h": "3 25"}
BAD = {"b": "", "d": "no face", "e": "4 1000", "f": "bug"}
REASONS = {"b": "not a readable video", "d": "no face found", "e": "got 1000", "f": "KeyError"}


@pytest.fixture
def videos(tmp_path):
    (tmp_path / "videos").mkdir()
    for name, text in (GOOD | BAD).items():
        (tmp_path / "videos" / f"{name}.mp4").write_text(text)
    return find_videos(tmp_path / "videos")


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_videos_are_told_of_and_nothing_else_is_lost(videos, tmp_path, workers):
    told = {}
    failed = stage_clips(videos, tmp_path / "clips", cheap_tracker, workers, told.__setitem__)
    assert failed.keys() == BAD.keys() and all(part in failed[name] for name, part in REASONS.items())
    assert told == {name: failed.get(name) for name in videos}
    assert json.loads((tmp_path / "clips" / "skipped.json").read_text()) == failed
    assert write_index(tmp_path / "clips", "a head", "its hash").names == tuple(GOOD)
    expected = marked_clip(2, 9)
    found = read_encoded_clip(tmp_path / "clips" / "c")
    assert found.origin == Origin("c.mp4", 30.0, (0, 4, 8))
    assert same(found.head_params.shape_params, expected.head_params.shape_params[[0, 4, 8]])


def test_a_video_that_kills_its_process_is_told_of(videos, tmp_path):
    (tmp_path / "videos" / "g.mp4").write_text("kill")
    failed = stage_clips(find_videos(tmp_path / "videos"), tmp_path / "clips", cheap_tracker, 2)
    assert failed.keys() == BAD.keys() | {"g"} and "died" in failed["g"]
    assert write_index(tmp_path / "clips", "a head", "its hash").names == tuple(GOOD)


def test_what_is_done_is_not_done_again_and_what_failed_is(videos, tmp_path):
    root = tmp_path / "clips"
    stage_clips(videos, root, cheap_tracker)
    before = (root / "a" / "params.npz").stat().st_mtime_ns
    (root / f"{UNFINISHED_PREFIX}c-1").mkdir()
    (root / ".notes-of-mine").mkdir()
    (tmp_path / "videos" / "d.mp4").write_text("5 25")
    told = []
    failed = stage_clips(videos, root, cheap_tracker, on_done=lambda name, reason: told.append(name))
    assert told == list(BAD) and "d" not in failed and load_clip(root / "d").images.shape[0] == 3
    assert (root / "a" / "params.npz").stat().st_mtime_ns == before
    assert [path.name for path in root.glob(".*")] == [".notes-of-mine"]


@pytest.mark.skipif(not TELLS_PROCESSES, reason="asks the system for its processes")
def test_what_was_killed_leaves_no_process_and_is_done_by_the_next_call(videos, tmp_path):
    root, folder = tmp_path / "clips", tmp_path / "videos"
    killed = multiprocessing.get_context("spawn").Process(target=stage_clips, args=(videos, root, slow_tracker, 2))
    killed.start()
    wait_for(lambda: (root / "a").exists() and len(list(folder.glob("[bc].[0-9]*"))) == 2)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    workers = {int(path.suffix[1:]) for path in folder.glob("?.[0-9]*")}
    assert len(workers) == 2
    wait_for(lambda: not any(map(is_running, workers)))
    assert not (root / "c").exists()
    failed = stage_clips(videos, root, cheap_tracker, 2)
    whole = stage_clips(videos, tmp_path / "whole", cheap_tracker)
    assert failed.keys() == whole.keys() == BAD.keys()
    for name in GOOD:
        assert same(load_clip(root / name), load_clip(tmp_path / "whole" / name))
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


def test_videos_are_found_by_path(tmp_path):
    for name in ("x/one.mp4", "y/one.MOV", "two.webm", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(find_videos(tmp_path)) == ["two", "x__one", "y__one"]
    (tmp_path / "two.mp4").touch()
    with pytest.raises(ValueError, match="would become one clip, two"):
        find_videos(tmp_path)
    with pytest.raises(ValueError, match="holds no video"):
        find_videos(tmp_path / "empty")


def test_published_sampling():
    assert [len(vfhq_train_frames(count)) for count in (10, 199, 200, 300, 301)] == [10, 25, 50, 50, 75]
    frames = vfhq_train_frames(400)
    assert frames[0] == 0 and frames[-1] == 399 and np.ptp(np.diff(frames)) <= 1
    assert len(set(HDTF_TEST)) == 19 and "WRA_EricCantor_000" not in HDTF_TEST
