"""The avatar's benchmark on a stand-in: every stage and protocol is there."""

import dataclasses

import pytest

from omg_jax.benchmarks import clock
from omg_jax.benchmarks.avatar import measure_avatar, stand_in_case
from omg_jax.config import PartsConfig
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head

BUILD_STAGES = {"backbone", "pyramid", "transformer", "transformer's start, once", "sampling and heads", "plane"}


def measure_tiny(parts: PartsConfig) -> dict:
    """The benchmark of a tiny network with these parts; most of its time are compilations."""
    tiny = load_preset("tiny")
    config = dataclasses.replace(tiny, model=dataclasses.replace(tiny.model, parts=parts, num_levels=1))
    return measure_avatar(stand_in_case(config, load_head("arkit")), repeats=1, batch=2, lods=(0,), num_frames=2)


@pytest.fixture(scope="module")
def result() -> dict:
    return measure_tiny(PartsConfig())


def test_every_stage_of_a_reconstruction_is_work_of_the_whole(result):
    build = result["reconstruction"]
    assert set(build["stages"]) == BUILD_STAGES
    for name, stage in build["stages"].items():
        assert 0 < stage["gflop"] < build["whole program"]["gflop"], name


def test_a_level_has_its_stages_and_rates(result):
    (level,) = result["frames"].values()
    assert set(level["stages"]) == {"head", "splat", "refiner", "frame"}
    assert all(stage["wall_ms"] > 0 for stage in level["stages"].values())
    assert all(rate > 0 for rate in level["frames_per_second"].values())
    assert "refined, 2 drivers at once" in level["frames_per_second"]
    assert result["process_peak_memory_mib"] > 1


def test_a_network_without_some_parts_has_only_the_others_stages():
    result = measure_tiny(PartsConfig(global_features=False, shoulder=False, refiner=False))
    assert set(result["reconstruction"]["stages"]) == {"backbone", "pyramid", "sampling and heads"}
    level = result["frames"]["level 0"]
    assert set(level["stages"]) == {"head", "splat", "frame"}
    assert not any("refined" in protocol for protocol in level["frames_per_second"])


def test_the_mean_of_a_frame_s_rate_leaves_the_warm_ups_out(monkeypatch):
    ticks = iter([0.0, 100.0, 100.0, 100.5, 101.0, 101.25])
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(ticks))
    assert clock.mean_frame_rate(lambda: None, [()] * 3, lambda _: None, 1) == 3.0
