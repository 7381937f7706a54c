"""The avatar's benchmark on a stand-in: every stage and protocol is there, and parts add up."""

import pytest

from omg_jax.benchmarks.avatar_stages import measure_avatar, stand_in_case
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head

BUILD_STAGES = {"backbone", "pyramid", "transformer", "sampling and heads", "plane"}


@pytest.fixture(scope="module")
def result() -> dict:
    return measure_avatar(stand_in_case(load_preset("tiny"), load_head("arkit")), repeats=1, batch=2, lods=(0, 1))


def test_the_stages_of_a_reconstruction_add_up(result):
    build = result["reconstruction"]
    assert BUILD_STAGES < set(build["stages"])
    for quantity in ("gflop", "moved_mb"):
        total = sum(build["stages"][name][quantity] for name in BUILD_STAGES)
        assert total == pytest.approx(build["whole program"][quantity])


def test_every_level_has_its_stages_and_rates(result):
    assert set(result["frames"]) == {"level 0", "level 1"}
    for level in result["frames"].values():
        assert set(level["stages"]) == {"head", "splat", "refiner", "frame"}
        assert all(stage["wall_ms"] > 0 for stage in level["stages"].values())
        assert all(rate > 0 for rate in level["frames_per_second"].values())
        assert "refined, 2 drivers at once" in level["frames_per_second"]
    counts = [level["head_gaussians"] for level in result["frames"].values()]
    assert counts == sorted(counts)
