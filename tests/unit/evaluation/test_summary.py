"""From rows to results: means of means, what was missed, and the same numbers in both files."""

import csv

import numpy as np
import pytest

from omg_jax.evaluation.metrics import METRICS
from omg_jax.evaluation.protocol import PROTOCOLS, protocol_to_json
from omg_jax.evaluation.summary import six_digits, summarise, write_frames

KEYS = ("psnr", "csim_sface_source", "flicker")
# A long pair and a short one; in one frame no face was found, and first frames do not flicker.
ROWS = {
    "anna": {"ours": [
        {"psnr": 20.0, "csim_sface_source": 0.5, "flicker": None},
        {"psnr": 22.0, "csim_sface_source": None, "flicker": 4.0},
        {"psnr": 24.0, "csim_sface_source": 0.7, "flicker": 6.0},
    ]},
    "bert": {"ours": [{"psnr": 1.0 / 3.0, "csim_sface_source": 0.9, "flicker": None}]},
}  # fmt: skip


def summary(protocol: str) -> dict:
    metrics = tuple(metric for metric in METRICS if metric.key in KEYS)
    protocol = protocol_to_json(PROTOCOLS[protocol])
    return summarise(protocol, {}, {"ours": {}}, metrics, dict.fromkeys(KEYS, "a test"), ROWS)


def test_a_mean_is_that_of_the_pairs_means():
    found = summary("self")["results"]["ours"]
    assert found["psnr"]["mean"] == six_digits((22.0 + six_digits(1.0 / 3.0)) / 2.0)
    assert (found["psnr"]["pairs"], found["psnr"]["frames"], found["psnr"]["missed"]) == (2, 4, 0)
    assert found["psnr"]["low"] <= found["psnr"]["mean"] <= found["psnr"]["high"]


def test_frames_without_a_face_are_missed_and_first_frames_are_not():
    found = summary("self")
    assert found["results"]["ours"]["csim_sface_source"]["missed"] == 1
    assert found["results"]["ours"]["csim_sface_source"]["mean"] == pytest.approx((0.6 + 0.9) / 2.0)
    flicker = found["results"]["ours"]["flicker"]
    assert (flicker["mean"], flicker["low"], flicker["pairs"], flicker["missed"]) == (5.0, None, 1, 0)
    assert found["pairs"]["bert"]["ours"]["flicker"] is None


def test_without_targets_metrics_of_them_are_left_out():
    found = summary("cross")
    assert list(found["metrics"]) == list(found["results"]["ours"]) == ["csim_sface_source"]


def test_the_table_of_frames_holds_the_numbers_that_the_means_are_of(tmp_path):
    write_frames(tmp_path / "frames.csv", list(KEYS), {"anna": [4, 8, 12], "bert": [3]}, ROWS)
    with (tmp_path / "frames.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["pair"], line["frame"]) for line in lines] == [
        ("anna", "4"), ("anna", "8"), ("anna", "12"), ("bert", "3")
    ]  # fmt: skip
    assert lines[1]["csim_sface_source"] == "" and lines[3]["psnr"] == "0.333333"
    anna = [float(line["psnr"]) for line in lines if line["pair"] == "anna"]
    assert np.mean(anna) == summary("self")["pairs"]["anna"]["ours"]["psnr"]
