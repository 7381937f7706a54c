"""The training benchmark on a stand-in: its parts are work of the whole, and every driver is there."""

import dataclasses

import jax
import pytest

from omg_jax.benchmarks import training
from omg_jax.benchmarks.training import (
    all_reduce_ms,
    floors,
    loading_ms,
    measure_drivers,
    measure_parts,
    measure_step,
    stand_in_case,
)
from omg_jax.config import PartsConfig
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture(scope="module")
def case(head):
    """Without a plane, which takes long to compile."""
    tiny = load_preset("tiny")
    model = dataclasses.replace(tiny.model, num_levels=0, parts=PartsConfig(shoulder=False))
    train = dataclasses.replace(tiny.train, batch_size=1)
    return stand_in_case(dataclasses.replace(tiny, model=model, train=train), head)


def counted(program, arguments, repeats):
    """Of a program that is only traced, not compiled and run: the operations."""
    return {"gflop": 1e-9 * program.lower(*arguments).cost_analysis().get("flops", 0.0)}


def test_parts_are_work_of_the_whole_step(case, monkeypatch):
    monkeypatch.setattr(training, "stage", counted)
    step, parts = measure_step(case, 0, repeats=1), measure_parts(case, 0, repeats=1)
    assert {"backbone", "build", "head", "splat", "refiner", "losses", "optimizer"} <= set(parts)
    for name in ("build", "refiner", "losses"):
        passes = parts[name]
        assert 0 < passes["forward"]["gflop"] < passes["gradient"]["gflop"] < step["gflop"], name


def test_floors_are_the_slower_of_operations_and_bytes():
    slow_by_bytes = floors({"gflop": 1.0, "moved_mb": 1e6}, num_steps=3600)
    slow_by_operations = floors({"gflop": 1e5, "moved_mb": 1.0}, num_steps=3600)
    assert slow_by_bytes["H200"]["step_ms"] < slow_by_bytes["H100"]["step_ms"], "by its faster memory"
    assert slow_by_operations["H100"]["step_ms"] == slow_by_operations["H200"]["step_ms"]
    row = slow_by_bytes["A100"]
    assert row["run_hours_at_a_third"] == pytest.approx(3 * row["step_ms"] / 1e3)


def test_loading_and_averaging_take_time(case, head):
    assert loading_ms(case.config, head, repeats=1) > 0
    assert all_reduce_ms(case.params, 2, repeats=1) > 0


def test_every_driver_is_measured_on_every_number_of_devices(case, monkeypatch):
    def make_step(graphdef, config, lod, axis_name):
        def step(state, batch, frozen):
            loss = batch.target_image.mean()
            return state, {"loss": jax.lax.pmean(loss, axis_name) if axis_name else loss}

        return step

    monkeypatch.setattr(training, "make_train_step", make_step)
    rows = measure_drivers(case, repeats=1, counts=(1, 2))
    assert [(row["driver"], row["devices"], row["batch_size"]) for row in rows] == [
        ("single", 1, 1),
        ("pmap", 2, 2),
        ("shard_map", 2, 2),
    ]
    assert all(row["pairs_per_second"] == pytest.approx(1e3 * row["batch_size"] / row["step_ms"]) for row in rows)
