"""From other people's files and from videos to a dataset that training opens."""

import json
from pathlib import Path

import numpy as np
import pytest

from omg_jax.cli import dataset as dataset_command
from omg_jax.data.clips import Origin, load_index
from omg_jax.data.frame_source import open_frames
from omg_jax.data.pairs import check_pairs
from omg_jax.data.sampling import HDTF_TEST, keep_frames
from omg_jax.head.load import load_head
from omg_jax.tracking.motion import load_motion
from tests.parity.flame_file import NUM_VERTICES, write_flame_pickle
from tests.unit.data.marked_clips import marked_clip
from tests.unit.tracking.importers.source_formulas import (
    gagavatar_record,
    opengl_camera,
    vhap_params,
    write_gagavatar,
    write_vhap,
)

NUM_FRAMES = 240


def cheap_video_clip(path: Path, head: str, choose):
    """Stands for the tracker: an empty file is no video, any other one has many frames."""
    if not path.stat().st_size:
        raise ValueError(f"{path} is not a readable video")
    clip = marked_clip(len(path.stem), NUM_FRAMES)
    return keep_frames(clip, Origin(path.name, 25.0, tuple(range(NUM_FRAMES))), choose(NUM_FRAMES))


@pytest.fixture
def cheap(monkeypatch):
    monkeypatch.setattr(dataset_command, "video_clip", cheap_video_clip)


@pytest.fixture(scope="module")
def flame(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("flame") / "model.pkl"
    write_flame_pickle(path, 3)
    return path


def videos(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("frames")


def test_videos_become_a_dataset_and_the_same_command_goes_on(omg, cheap, tmp_path):
    videos(tmp_path / "videos" / "train", "a.mp4", "bb.mp4")
    videos(tmp_path / "videos" / "test", "ccc.mp4")
    (tmp_path / "videos" / "train" / "zero.mp4").touch()
    command = ("dataset", "vfhq", tmp_path / "videos", "-o", tmp_path / "data", "--workers", "0", "--json")
    run = omg(*command)
    assert run.code == 0, run.err
    facts = json.loads(run.out)
    assert (facts["train_frames"], facts["test_frames"]) == (100, 50)
    assert "not a readable video" in facts["left_out"]["train/zero"] and "left out zero" in run.err
    assert "VFHQ has 50 test clips, here are 1" in run.err
    source = open_frames(facts["dataset"])
    check_pairs(source, 64, 32)
    assert source.names == ("a", "bb") and source.head_sha256 == load_head("arkit").sha256
    assert source.record(1, 49)["frame_number"] == NUM_FRAMES - 1
    (tmp_path / "videos" / "train" / "zero.mp4").write_text("frames")
    run = omg(*command)
    assert run.code == 0 and json.loads(run.out)["train_frames"] == 150


def test_hdtf_tells_of_missing_sequences(omg, cheap, tmp_path):
    videos(tmp_path / "videos" / "test", *(f"{name}.mp4" for name in HDTF_TEST[:2]))
    run = omg("dataset", "hdtf", tmp_path / "videos", "-o", tmp_path / "data", "--workers", "0", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["test_frames"] == 200
    assert HDTF_TEST[2] in run.err and HDTF_TEST[1] not in run.err


def test_a_source_without_videos_is_refused(omg, tmp_path):
    for kind in ("clips", "vfhq", "portraits"):
        run = omg("dataset", kind, tmp_path, "-o", tmp_path / "data")
        assert run.code == 2 and run.err.startswith("omg: ")


def test_gagavatar_to_a_motion(omg, flame, tmp_path):
    rng = np.random.default_rng(0)
    write_gagavatar(tmp_path / "driver", {f"obama_{number}": gagavatar_record(rng) for number in range(3)})
    command = ("convert", "tracking", tmp_path / "driver", "-o", tmp_path / "motion.npz", "--json")
    run = omg(*command, "--head", f"flame:{flame}")
    assert run.code == 0, run.err
    assert json.loads(run.out) == {
        "output": str(tmp_path / "motion.npz"),
        "tracker": "GAGAvatar_track",
        "flame": "2020",
        "frames": 3,
    }
    assert load_motion(tmp_path / "motion.npz", load_head(f"flame:{flame}")).fps == 25
    run = omg(*command)
    assert run.code == 2 and "FLAME 2020" in run.err


def test_vhap_to_clips_to_a_dataset(omg, flame, tmp_path):
    rng = np.random.default_rng(0)
    camera = opengl_camera(rng, 900.0, 200, 240)
    images = {(step, 0): np.full((240, 200, 3), 50 * (step + 1), np.uint8) for step in range(3)}
    write_vhap(tmp_path / "person", vhap_params(rng, NUM_VERTICES + 120), [camera], images)
    run = omg(
        "convert", "tracking", tmp_path / "person", "-o", tmp_path / "clips", "--head", f"flame:{flame}", "--json"
    )
    assert run.code == 0, run.err
    assert "vertex offsets" in run.err
    facts = json.loads(run.out)
    assert (facts["clips"], facts["frames"], facts["flame"], facts["left_out"]) == (1, 3, "2023", {})
    assert load_index(tmp_path / "clips").image_size == (512, 512)
    run = omg("dataset", "clips", tmp_path / "clips", "-o", tmp_path / "data", "--json")
    assert run.code == 0, run.err
    assert open_frames(json.loads(run.out)["dataset"]).head_sha256 == load_head(f"flame:{flame}").sha256
