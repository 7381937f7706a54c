"""What a run writes down."""

import csv
import json

import numpy as np

from omg_jax.training.records import Meter, MetricLog, read_metrics


def rows_of_csv(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: float(value) if value else None for name, value in row.items()} for row in csv.DictReader(file)]


def test_both_files_hold_the_same_rows(tmp_path):
    log = MetricLog(tmp_path, steps_done=0)
    rows = [{"step": step, "loss": 1.0 / step} for step in (1, 2, 3)]
    for row in rows:
        log.write(row)
    assert read_metrics(tmp_path) == rows == rows_of_csv(tmp_path)


def test_a_window_of_skipped_steps_is_valid_json(tmp_path):
    meter = Meter(lambda tree: tree)
    for loss in (np.nan, np.inf):
        meter.add(1, {"loss": loss, "l2": np.nan})
    log, means = MetricLog(tmp_path, steps_done=0), meter.means(2)
    log.write({"step": 2} | means)
    assert (means["loss"], means["l2"], means["lod"]) == (None, None, 1.0)

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=refuse)["loss"] is None
    assert rows_of_csv(tmp_path) == read_metrics(tmp_path) == [{"step": 2} | means]


def test_a_continued_run_forgets_what_came_after_its_checkpoint(tmp_path):
    log = MetricLog(tmp_path, steps_done=0)
    for step in (1, 2, 3):
        log.write({"step": step, "loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # killed while writing
    log = MetricLog(tmp_path, steps_done=2)
    log.write({"step": 3, "loss": 2.0})
    assert read_metrics(tmp_path) == rows_of_csv(tmp_path)
    assert [(row["step"], row["loss"]) for row in read_metrics(tmp_path)] == [(1, 1.0), (2, 1.0), (3, 2.0)]


def test_means_leave_out_batches_that_were_not_finite():
    meter = Meter(lambda tree: tree)
    for loss, lod in ((1.0, 0), (np.nan, 1), (3.0, 2)):
        meter.add(lod, {"loss": loss})
    means = meter.means(2)
    assert (means["loss"], means["lod"]) == (2.0, 1.0)
    assert means["seconds"] >= means["seconds_waiting"] == 0.0
    meter.add(0, {"loss": 5.0})
    assert meter.means(2)["loss"] == 5.0
