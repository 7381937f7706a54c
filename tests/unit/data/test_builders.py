"""tensorflow-datasets builders: the same frames as the folders of clips, whatever happens on the way."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time

import jax
import numpy as np
import pytest

from omg_jax.cli.train import open_validation
from omg_jax.data.builders import BUILDERS, build_dataset
from omg_jax.data.clips import Origin, load_clip, load_index, save_clip, write_index
from omg_jax.data.frame_source import FrameSource, open_frames
from omg_jax.data.pairs import load_batch, prefetched
from tests.unit.data.marked_clips import NUM_FRAMES, SIZE, marked_clip, marked_clips, same, tokens

WINDOW = 24


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return marked_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def built(index, tmp_path_factory):
    return build_dataset("clips", index.root, tmp_path_factory.mktemp("data"))


@pytest.fixture
def own_clips(index, tmp_path):
    """A copy of the clips that a test may damage."""
    shutil.copytree(index.root, tmp_path / "clips")
    return load_index(tmp_path / "clips")


def decoded(folder, split="train"):
    source = open_frames(folder, split)
    return [source.frames(clip, range(count)) for clip, count in enumerate(source.num_frames)]


def test_a_dataset_holds_what_the_clips_hold(index, built):
    source = open_frames(built.folder)
    assert isinstance(source, FrameSource) and isinstance(index, FrameSource)
    for name in ("head_name", "head_sha256", "image_size", "names", "num_frames"):
        assert getattr(source, name) == getattr(index, name)
    assert built.num_frames == {"train": sum(NUM_FRAMES)} and not built.skipped
    for clip, found in enumerate(decoded(built.folder)):
        assert same(found, load_clip(index.folder(clip)))
    assert same(source.frames(2, (4, 0, 4)), load_clip(index.folder(2), (4, 0, 4)))
    assert source.frame_numbers(2) == index.frame_numbers(2) == tuple(range(NUM_FRAMES[2]))
    assert "tensorflow" not in sys.modules


def test_batches_are_equal_for_any_store_and_number_of_hosts_and_workers(index, built):
    source = open_frames(built.folder)
    expected = [load_batch(index, 0, step, 4, WINDOW, tokens) for step in range(3)]
    for hosts in (1, 2, 4):
        for host in range(hosts):
            part = slice(host * 4 // hosts, (host + 1) * 4 // hosts)
            for workers in (0, 2):
                loaded = prefetched(
                    lambda step, part=part: load_batch(source, 0, step, 4, WINDOW, tokens, part), 0, 3, workers
                )
                for whole, share in zip(expected, loaded, strict=True):
                    assert same([leaf[part] for leaf in jax.tree.leaves(whole)], jax.tree.leaves(share))


def test_a_dataset_built_twice_is_the_same(index, built, tmp_path):
    again = build_dataset("clips", index.root, tmp_path)
    assert same(decoded(again.folder), decoded(built.folder))
    assert open_frames(again.folder).sha256 == open_frames(built.folder).sha256


def test_a_finished_dataset_is_left_alone_until_its_clips_change(own_clips, tmp_path):
    folder = build_dataset("clips", own_clips.root, tmp_path / "data").folder
    before = (folder / "dataset_info.json").stat().st_mtime_ns
    assert build_dataset("clips", own_clips.root, tmp_path / "data").num_frames == {"train": sum(NUM_FRAMES)}
    assert (folder / "dataset_info.json").stat().st_mtime_ns == before
    save_clip(own_clips.root / "clip_3", marked_clip(3, 4))
    write_index(own_clips.root, "a head", "its hash")
    assert build_dataset("clips", own_clips.root, tmp_path / "data").num_frames == {"train": sum(NUM_FRAMES) + 4}


def test_clips_that_were_tracked_anew_are_others(own_clips, tmp_path):
    folder = build_dataset("clips", own_clips.root, tmp_path / "data").folder
    clip = load_clip(own_clips.folder(0))
    shutil.rmtree(own_clips.folder(0))
    moved = clip.camera._replace(world_to_camera=clip.camera.world_to_camera + 1)
    save_clip(own_clips.folder(0), clip._replace(camera=moved))
    assert write_index(own_clips.root, "a head", "its hash").sha256 != own_clips.sha256
    build_dataset("clips", own_clips.root, tmp_path / "data")
    np.testing.assert_array_equal(decoded(folder)[0].camera.world_to_camera, moved.world_to_camera)


def _build_and_stop(clips, data_dir):
    """Builds until the second clip is to be read; then hangs, for the parent to kill."""
    from omg_jax.data import builders

    read = builders._read_or_reason

    def stopping(index, number):
        if number == 1:
            (data_dir / "reached").touch()
            time.sleep(60)
        return read(index, number)

    builders._read_or_reason = stopping
    builders.build_dataset("clips", clips, data_dir)


def test_a_build_killed_in_the_middle_and_started_again_gives_the_same(index, built, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_build_and_stop, args=(index.root, tmp_path))
    process.start()
    while not (tmp_path / "reached").exists():
        assert process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not list((tmp_path / "omg_clips").glob("[0-9]*"))
    again = build_dataset("clips", index.root, tmp_path)
    assert same(decoded(again.folder), decoded(built.folder))
    assert [path.name for path in again.folder.parent.iterdir()] == [again.folder.name]


def cut_picture(folder):
    path = folder / "image_0001.jpg"
    path.write_bytes(path.read_bytes()[:-20])


def empty_matte(folder):
    (folder / "matte_0000.png").write_bytes(b"")


def cut_params(folder):
    path = folder / "params.npz"
    path.write_bytes(path.read_bytes()[:-200])


def lose_picture(folder):
    (folder / "image_0002.jpg").unlink()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (cut_picture, "image_0001.jpg is cut short"),
        (empty_matte, "matte_0000.png is missing or empty"),
        (cut_params, "params.npz is missing, damaged or cut short"),
        (lose_picture, "image_0002.jpg is missing"),
    ],
)
def test_a_damaged_clip_is_told_of_and_left_out(own_clips, tmp_path, damage, named):
    damage(own_clips.folder(1))
    built = build_dataset("clips", own_clips.root, tmp_path / "data")
    assert named in built.skipped.pop("train/clip_1") and not built.skipped
    source = open_frames(built.folder)
    assert source.names == ("clip_0", "clip_2")
    assert same(decoded(built.folder), [load_clip(own_clips.folder(0)), load_clip(own_clips.folder(2))])


def test_clips_that_are_all_damaged_make_no_dataset(own_clips, tmp_path):
    for number in range(3):
        cut_params(own_clips.folder(number))
    with pytest.raises(ValueError, match="none of the 3 clips"):
        build_dataset("clips", own_clips.root, tmp_path / "data")
    assert not list((tmp_path / "data").glob("omg_clips/[0-9]*"))


def test_a_build_that_fails_keeps_the_dataset_of_before(own_clips, built, tmp_path):
    folder = build_dataset("clips", own_clips.root, tmp_path / "data").folder
    for number in range(3):
        cut_params(own_clips.folder(number))
    text = (own_clips.root / "index.json").read_text()
    (own_clips.root / "index.json").write_text(text + "\n")
    with pytest.raises(ValueError, match="none of the 3 clips"):
        build_dataset("clips", own_clips.root, tmp_path / "data")
    assert same(decoded(folder), decoded(built.folder))
    assert {path.name for path in folder.parent.iterdir() if not path.name.startswith("incomplete")} == {folder.name}


@pytest.mark.parametrize("name", ["image_0001.jpg", "matte_0001.png"])
def test_a_picture_damaged_inside_is_named_when_it_is_read(own_clips, tmp_path, name):
    path = own_clips.folder(0) / name
    data = bytearray(path.read_bytes())
    middle = slice(40, len(data) - 20)
    data[middle] = bytes(len(data[middle]))
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=f"{name} is damaged"):
        own_clips.frames(0, (1,))


def test_building_prints_nothing(index, tmp_path, capsys):
    build_dataset("portraits", index.root, tmp_path)
    assert capsys.readouterr().out == ""


def test_splits_are_the_folders(tmp_path):
    for split, numbers in (("train", (0, 1)), ("test", (2,))):
        for number in numbers:
            save_clip(
                tmp_path / "clips" / split / f"clip_{number}", marked_clip(number, 3), Origin("v", 25.0, (0, 4, 8))
            )
        write_index(tmp_path / "clips" / split, "a head", "its hash")
    for kind in ("vfhq", "clips"):
        built = build_dataset(kind, tmp_path / "clips", tmp_path / "data")
        assert built.num_frames == {"train": 6, "test": 3}
        source = open_frames(built.folder, "test")
        staged = load_index(tmp_path / "clips" / "test")
        assert source.names == ("clip_2",) and source.frame_numbers(0) == staged.frame_numbers(0) == (0, 4, 8)
    only_test = build_dataset("hdtf", tmp_path / "clips", tmp_path / "data")
    assert only_test.num_frames == {"test": 3}
    with pytest.raises(ValueError, match="no split 'train'; expected one of test"):
        open_frames(only_test.folder)


@pytest.mark.parametrize(("splits", "expected"), [(("train", "val", "test"), "val"), (("train", "test"), "test")])
def test_a_run_is_validated_on_val_or_else_on_test(tmp_path, splits, expected):
    for split in splits:
        save_clip(tmp_path / split / f"clip_{split}", marked_clip(0, 2), Origin("v", 25.0, (0, 4)))
        write_index(tmp_path / split, "a head", "its hash")
    built = build_dataset("clips", tmp_path, tmp_path / "data")
    assert open_validation(built.folder).names == (f"clip_{expected}",)
    assert open_validation(tmp_path / "train").names == ("clip_train",)


def test_splits_of_two_heads_are_refused(tmp_path):
    for split in ("train", "test"):
        save_clip(tmp_path / split / "clip", marked_clip(0, 2))
        write_index(tmp_path / split, "a head", f"hash of {split}")
    with pytest.raises(ValueError, match="one head_sha256"):
        build_dataset("vfhq", tmp_path, tmp_path / "data")
    with pytest.raises(ValueError, match="no clips found"):
        build_dataset("vfhq", tmp_path / "train" / "clip", tmp_path / "data")


def test_another_schema_version_is_named(built, tmp_path):
    shutil.copytree(built.folder, tmp_path / "old")
    metadata = json.loads((tmp_path / "old" / "metadata.json").read_text())
    (tmp_path / "old" / "metadata.json").write_text(json.dumps({**metadata, "schema_version": 99}))
    with pytest.raises(ValueError, match="schema version 99, expected 1: build the dataset again"):
        open_frames(tmp_path / "old")


def cut_records(folder, keep: float) -> None:
    path = next(folder.glob("*.array_record*"))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_truncated_file_of_records_is_named_when_it_is_opened(built, tmp_path, keep):
    shutil.copytree(built.folder, tmp_path / "cut")
    cut_records(tmp_path / "cut", keep)
    with pytest.raises(ValueError, match=f"{tmp_path / 'cut'}.*build the dataset again"):
        open_frames(tmp_path / "cut")


def test_a_lost_file_of_records_is_named_when_the_dataset_is_opened(built, tmp_path):
    shutil.copytree(built.folder, tmp_path / "lost")
    next((tmp_path / "lost").glob("*.array_record*")).unlink()
    with pytest.raises(ValueError, match="cannot be read.*build the dataset again"):
        open_frames(tmp_path / "lost")


def test_building_again_mends_a_truncated_dataset(index, built, tmp_path):
    folder = build_dataset("clips", index.root, tmp_path).folder
    cut_records(folder, 0.5)
    assert build_dataset("clips", index.root, tmp_path).folder == folder
    assert same(decoded(folder), decoded(built.folder))


def test_building_again_replaces_a_dataset_of_another_schema(index, built, tmp_path):
    folder = build_dataset("clips", index.root, tmp_path).folder
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**metadata, "schema_version": 99}))
    build_dataset("clips", index.root, tmp_path)
    assert same(decoded(folder), decoded(built.folder))


def test_without_the_extra_its_name_is_told(built, monkeypatch):
    monkeypatch.setitem(sys.modules, "omg_jax.data.tfds_source", None)
    with pytest.raises(ImportError, match=r"omg_jax\[data\]"):
        open_frames(built.folder)


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no dataset"):
        open_frames(tmp_path)


def test_a_folder_of_datasets_names_what_it_holds(built):
    with pytest.raises(ValueError, match=f"give {built.folder}"):
        open_frames(built.folder.parents[1])


def test_every_builder_tells_its_licence_and_how_to_obtain_it():
    for builder in BUILDERS.values():
        assert "How to obtain:" in builder.__doc__ and "Licence:" in builder.__doc__ and builder.LICENCE


def test_a_picture_is_stored_as_it_lies_in_the_clip(index, built):
    record = open_frames(built.folder).record(1, 2)
    assert record["image"] == (index.folder(1) / "image_0002.jpg").read_bytes()
    assert np.array_equal(record["expression_params"], np.zeros(3)) and SIZE == index.image_size[0]
