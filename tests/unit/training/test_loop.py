"""A whole run, around a network that takes milliseconds: what it writes, how it stops, that it continues exactly."""

import dataclasses
import json
import signal
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from omg_jax.config import AugmentConfig, UNetConfig
from omg_jax.data import augment
from omg_jax.models.weights import read_weights_meta
from omg_jax.training import loop
from omg_jax.training.checkpoint import Checkpoints
from omg_jax.training.job import SILENT, origin
from omg_jax.training.loop import train
from omg_jax.training.records import read_metrics
from omg_jax.training.state import init_state
from omg_jax.training.watch import held_out_pairs
from tests.unit.training.conftest import stopping_at, with_options

TIMES = {"seconds", "second", "memory"}  # words in the names of what differs from run to run


def same(a, b) -> bool:
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: np.array_equal(x, y), a, b)))


def without_times(rows):
    return [{name: value for name, value in row.items() if not TIMES & set(name.split("_"))} for row in rows]


def test_a_run_leaves_its_records_behind(job):
    steps, notes = [], []
    listener = SILENT._replace(on_step=steps.append, on_note=notes.append)
    outcome = train(with_options(job, picture_every=6), listener)
    folder = Path(job.config.train.output)
    assert outcome.finished and steps == list(range(1, 13))
    assert [note.split(" in ")[0] for note in notes] == ["compiled the steps of level 0, 1"]
    assert [row["step"] for row in read_metrics(folder)] == [2, 4, 6, 8, 10, 12]
    assert json.loads((folder / "config.json").read_text())["train"]["learning_rate"] == 0.05
    assert json.loads((folder / "environment.json").read_text())["packages"]["jax"] == jax.__version__
    assert [path.name for path in sorted((folder / "pictures").iterdir())] == ["step_0000006.png", "step_0000012.png"]
    with Image.open(folder / "pictures" / "step_0000012.png") as picture:
        assert picture.size == (9 * 256, 3 * 256)
    meta = read_weights_meta(outcome.weights)
    assert (meta.preset, meta.step, meta.head_sha256) == ("tiny", 12, job.head.sha256)
    assert sorted(int(path.name) for path in (folder / "checkpoints").iterdir()) == [8, 12]


def test_the_best_weights_on_held_out_clips_are_kept(job):
    """The clips that it trains on serve as held-out ones: the loss falls, then a huge rate spoils everything."""
    job = with_options(job, validate_every=3, validation_pairs=4)._replace(validation=job.index)
    notes = []
    train(job, SILENT._replace(on_note=notes.append))
    folder = Path(job.config.train.output)
    rows = read_metrics(folder, "validation")
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    best = max(rows, key=lambda row: row["psnr"])
    assert read_weights_meta(folder / "weights_best.safetensors").step == best["step"]
    assert sum("the best so far" in note for note in notes) >= 1
    spoilt = with_options(job, num_steps=15, learning_rate=100.0)
    train(spoilt)
    rows = read_metrics(folder, "validation")
    assert rows[-1]["step"] == 15 and rows[-1]["psnr"] < best["psnr"]
    assert read_weights_meta(folder / "weights_best.safetensors").step == best["step"]


def test_tensorboard_and_a_profile_are_written(job):
    pytest.importorskip("tensorboardX")
    train(with_options(job, num_steps=4, picture_every=4, profile=(2, 3)))
    folder = Path(job.config.train.output)
    (events,) = (folder / "tensorboard").glob("events.*")
    assert all(name in events.read_bytes() for name in (b"loss", b"gradient_norm", b"pairs_per_second", b"pairs"))
    assert list((folder / "profile").rglob("*.xplane.pb"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_network_computes_in_the_precision_that_is_asked_for(job, monkeypatch, precision):
    class Built(Exception):
        """Ends the run."""

    def build(config, head, seed, dtype):
        raise Built(str(dtype))

    monkeypatch.setattr(loop, "build_model", build)
    with pytest.raises(Built, match=precision):
        train(job._replace(config=dataclasses.replace(job.config, precision=precision)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(profile=(3, 2)), "profile: expected the first and the last step"),
        (dict(log_every=0), "log_every: expected at least 1, got 0"),
    ],
)
def test_bookkeeping_without_sense_is_refused(job, options, said):
    with pytest.raises(ValueError, match=said):
        train(with_options(job, **options))


def test_held_out_pairs_spread_over_clips_and_frames(smooth_index):
    index = smooth_index._replace(names=("a", "b"), num_frames=(9, 2))
    pairs = held_out_pairs(index, 6)
    assert [(pair.clip, pair.target) for pair in pairs] == [(0, 5), (1, 1), (0, 3), (1, 1), (0, 7), (1, 1)]
    assert all(pair.source == 0 for pair in pairs)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_continues_to_the_same_bits(job, tmp_path, number):
    whole = train(with_options(job, output=str(tmp_path / "whole")))
    handler = signal.getsignal(number)
    stopped = train(job, stopping_at(7, number))
    assert not stopped.finished and int(stopped.state.step) == 7
    assert signal.getsignal(number) is handler
    notes, starts = [], []
    resumed = train(job, SILENT._replace(on_note=notes.append, on_start=starts.append))
    assert starts == [7] and "step 7" in notes[0]
    assert resumed.finished and same(resumed.state, whole.state)
    rows = [without_times(read_metrics(Path(folder))) for folder in (job.config.train.output, tmp_path / "whole")]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    # The interval in which it stopped is averaged over fewer steps; all others are equal.
    assert [row for row in rows[0] if row["step"] != 8] == [row for row in rows[1] if row["step"] != 8]


def test_a_killed_run_continues_from_its_last_checkpoint(job, tmp_path):
    """A failure after step 6 stands for kill -9: nothing is saved on the way out."""

    def die(done: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    whole = train(with_options(job, output=str(tmp_path / "whole")))
    with pytest.raises(KeyboardInterrupt):
        train(job, SILENT._replace(on_step=die))
    starts = []
    resumed = train(job, SILENT._replace(on_start=starts.append))
    assert starts == [4] and same(resumed.state, whole.state)


def test_training_does_not_depend_on_loader_threads_or_cache(job, tmp_path):
    runs = [
        train(with_options(job, output=str(tmp_path / f"{threads}"), loader_threads=threads, token_cache_mb=cache))
        for threads, cache in ((1, 0), (3, 64))
    ]
    assert same(runs[0].state, runs[1].state)


def test_augmented_pairs_are_trained_on_and_a_stopped_run_continues_to_the_same_bits(job, tmp_path):
    augmented = with_options(job, augment=AugmentConfig(share=0.7, mirror=0.0), output=str(tmp_path / "augmented"))
    stopped = with_options(augmented, output=str(tmp_path / "stopped"), token_cache_mb=0)
    straight = train(augmented)
    assert not train(stopped, stopping_at(5, signal.SIGTERM)).finished
    assert same(straight.state, train(stopped).state)
    assert not same(straight.state, train(job).state)


def test_a_run_tells_that_its_head_has_no_mirror_image(job, monkeypatch):
    said = []
    monkeypatch.setattr(augment, "mirrored_units", lambda head: None)
    listener = SILENT._replace(on_note=said.append)
    train(with_options(job, augment=AugmentConfig(share=0.5), num_steps=1), listener)
    assert said[0] == "pairs are not mirrored: the head arkit is not symmetric"


def test_a_finished_run_stays_as_it_is(job):
    first = train(job)
    again = train(job)
    assert again.finished and same(first.state, again.state)


def test_more_steps_continue_a_finished_run_but_other_options_do_not(job):
    train(job)
    assert int(train(with_options(job, num_steps=14)).state.step) == 14
    with pytest.raises(ValueError, match=r"train.batch_size = 2, this run has 3.*--train.output"):
        train(with_options(job, batch_size=3))


@pytest.mark.parametrize("part", ["index", "head"])
def test_other_clips_or_another_head_do_not_continue_a_run(job, part):
    train(with_options(job, num_steps=1))
    other = job._replace(index=job.index._replace(sha256="0" * 64))
    if part == "head":
        index, head = job.index._replace(head_sha256="0" * 64), job.head._replace(sha256="0" * 64)
        other = job._replace(index=index, head=head)
    named = {"index": "dataset .index.json of --train.data.", "head": "head model"}[part]
    with pytest.raises(ValueError, match=f"made with another {named}.*is 000000000000"):
        train(other)


def test_a_checkpoint_without_hashes_continues(job):
    """The first checkpoints hold none."""
    train(with_options(job, num_steps=1))
    path = Path(job.config.train.output) / "checkpoints" / "1" / "meta" / "metadata"
    meta = json.loads(path.read_text())
    assert {"data_sha256", "head_sha256"} <= meta.keys()
    path.write_text(json.dumps({name: value for name, value in meta.items() if "sha256" not in name}))
    assert int(train(with_options(job, num_steps=2)).state.step) == 2


@pytest.mark.parametrize(
    ("window", "refiner", "said"),
    [
        (63, UNetConfig(widths=(8, 16)), "multiple of 2 pixels, got 63; set --train.window 62"),
        (68, UNetConfig(widths=(8, 16, 16, 16)), "multiple of 8 pixels, got 68; set --train.window 64"),
        (24, UNetConfig(widths=(8, 16)), "crop of 32 pixels, got 24"),
        (64, None, "whole pictures of 128 pixels, got a target window of 64"),
    ],
)
def test_windows_that_the_networks_cannot_take_are_refused_before_anything_is_built(job, window, refiner, said):
    job = with_options(job, window=window)
    model = dataclasses.replace(job.config.model, refiner=refiner)
    with pytest.raises(ValueError, match=said):
        train(job._replace(config=dataclasses.replace(job.config, model=model)))
    assert not Path(job.config.train.output).exists()


def test_given_weights_are_where_a_run_starts(job, tmp_path):
    first = train(job)
    notes = []
    warm = with_options(job, output=str(tmp_path / "warm"), num_steps=1, learning_rate=0.0)
    warm = with_options(warm, init_weights=str(first.weights))
    second = train(warm, SILENT._replace(on_note=notes.append))
    assert same(second.state.params, first.state.average)
    assert str(first.weights) in notes[0]


def test_clips_of_another_head_are_refused_before_anything_is_written(job, tmp_path):
    other = job._replace(index=job.index._replace(head_name="flame", head_sha256="0" * 64))
    with pytest.raises(ValueError, match="head flame .*, expected arkit"):
        train(other)
    assert not Path(job.config.train.output).exists()


def test_restoring_from_nothing_is_refused(job, tmp_path):
    with Checkpoints(tmp_path / "empty") as checkpoints, pytest.raises(ValueError, match="no checkpoint"):
        checkpoints.restore(init_state({}, job.config.train), origin(job))


def test_a_run_whose_batches_are_never_finite_ends_and_keeps_its_state(job):
    spoilt = job._replace(taps=lambda images: tuple(np.nan * tap for tap in job.taps(images)))
    with pytest.raises(FloatingPointError, match="after step 6: the last 6 batches gave a loss or gradient"):
        train(with_options(spoilt, max_skipped=5))
    healed = train(job)
    assert healed.finished and int(healed.state.skipped) == 6
