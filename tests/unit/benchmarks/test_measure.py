"""What is measured and what the report holds, on a case of a moment; no test looks at a time."""

import json
import xml.etree.ElementTree as ElementTree

import jax
import numpy as np
import pytest

from omg_jax.benchmarks import contestants as contestants_module
from omg_jax.benchmarks import peers as peers_module
from omg_jax.benchmarks.clock import MAX_QUEUED, QUEUED_SECONDS, least_queued_ms, queue_length
from omg_jax.benchmarks.contestants import difference, make_scene, ours
from omg_jax.benchmarks.peers import PEERS, Peer, absence
from omg_jax.benchmarks.rasterizer import (
    DEFAULT_CASES,
    FULL_CASES,
    PEER_CASES,
    chosen_cases,
    measure,
    measure_case,
    speedups,
)
from omg_jax.benchmarks.report import bar_chart, table
from omg_jax.benchmarks.scenes import SCENES, Case, build_case
from omg_jax.cli.main import main
from tests.tolerances import FLOAT32_ROUNDING

CASE = Case("ellipsoid-1k", 32, 3, 2)


@pytest.fixture(scope="module")
def contestant():
    return ours(make_scene(*build_case(CASE), CASE.size))


@pytest.fixture
def ours_only(monkeypatch):
    """Leaves out the specification, which takes seconds to compile."""
    monkeypatch.setattr(contestants_module, "MAX_REFERENCE_PAIRS", 0.0)


@pytest.fixture(scope="module")
def result():
    return measure([CASE], repeats=1, peers=())


def test_each_case_has_a_row_for_each_contestant(result):
    first, second = result["rows"]
    assert (first["by"], second["by"]) == ("omg_jax", "plain JAX")
    assert {name: first[name] for name in CASE._fields} == CASE._asdict()
    assert first["num_gaussians"] == 1000
    assert first["num_instances"] > 2 * 1000
    for row in result["rows"]:
        assert row["equal"]
        assert all(row[f"{name}_cpu_ms"] > 0 for name in ("forward", "backward", "both"))
        assert row["both_memory_mb"] > row["forward_memory_mb"] > 0
    json.dumps(result)


def test_a_wrong_picture_is_found(contestant):
    features, alpha = contestant.images
    wrong = features.copy()
    wrong[0, 3, 5, 1] += 0.5
    assert difference(contestant, contestant) == (0.0, 0.0)
    largest, share = difference(contestant._replace(images=(wrong, alpha)), contestant)
    np.testing.assert_allclose(largest, 0.5, **FLOAT32_ROUNDING)
    assert share == 1 / alpha.size


def test_passes_of_a_contestant(contestant):
    """One call for both passes gives what the two calls give."""
    images, (gradient,) = contestant.both()
    for a, b in zip(images, contestant.forward(), strict=True):
        np.testing.assert_array_equal(a, b)
    jax.tree.map(np.testing.assert_array_equal, gradient, contestant.backward()[0])


def test_what_fails_or_differs_does_not_count(contestant, ours_only, capsys):
    def breaks(scene):
        print("building")
        raise AttributeError("no kernels\nhere")

    def equals(scene):
        return contestant._replace(name="same")

    def differs(scene):
        return contestant._replace(name="other", images=tuple(1 + image for image in contestant.images))

    broken, odd = Peer("broken", ("json",), (breaks,), None), Peer("odd", ("json",), (equals, differs), 3)
    left_out = {}
    rows = measure_case(CASE, (broken, odd), left_out, repeats=1)
    assert left_out == {"broken": "AttributeError: no kernels here"}
    assert capsys.readouterr().out == ""
    assert [(row["by"], row["equal"]) for row in rows] == [("omg_jax", True), ("same", True), ("other", False)]
    chart = bar_chart({"device": "cpu", "rows": rows})
    assert ">same<" in chart
    assert ">other<" not in chart
    ratios = speedups({"rows": rows})
    assert {case: list(table) for case, table in ratios.items()} == {"ellipsoid-1k x2, 32 px, 3 ch": ["same"]}
    assert len(measure_case(CASE._replace(channels=2), (odd,), left_out, repeats=1)) == 1


def test_reports(result):
    drawn = ElementTree.fromstring(bar_chart(result))
    assert len(drawn.findall("{*}rect")) == 1 + 2 + 2  # the ground, the legend, the bars
    assert len(table(result).rows) == 2


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.package)
def test_peers_that_are_not_installed(peer, monkeypatch):
    monkeypatch.setattr(peers_module.importlib.util, "find_spec", lambda name: None)
    assert absence(peer) == f"{' and '.join(peer.modules)} not installed: pip install {peer.package}"
    monkeypatch.undo()
    assert absence(peer._replace(modules=("json",))) == "it needs an NVIDIA GPU, and JAX finds none"


def test_every_case_has_a_scene_and_none_comes_twice():
    for cases in (DEFAULT_CASES, FULL_CASES, PEER_CASES):
        assert {case.scene for case in cases} <= set(SCENES)
        assert len(set(cases)) == len(cases)
    assert {case.channels for case in FULL_CASES} == {3, 32, 64}
    assert {case.size for case in FULL_CASES} >= {256, 512, 1024, 2048}
    assert {case.batch for case in FULL_CASES} == {1, 8}


def test_chosen_cases_are_all_combinations():
    assert chosen_cases((), (), (), ()) == [Case("avatar-2", 512, 32, 1)]
    assert chosen_cases(("cloud", "huge"), (), (3,), (1, 8)) == [
        Case(scene, 512, 3, batch) for scene in ("cloud", "huge") for batch in (1, 8)
    ]


def test_a_queue_is_waited_for_once():
    runs, waits = [], []
    least_queued_ms(lambda: runs.append(0), lambda _: waits.append(len(runs)), repeats=2)
    assert waits[:2] == [1, 2]  # the call that compiles, and the one that tells how many to queue
    assert len(waits) == 4
    assert waits[3] - waits[2] == waits[2] - waits[1]
    assert queue_length(0.0) == MAX_QUEUED
    assert queue_length(2 * QUEUED_SECONDS) == 1


def test_the_command_prints_one_json_object_and_draws(ours_only, capsys, tmp_path):
    picture = tmp_path / "times.svg"
    options = ["--scene", "ellipsoid-1k", "--size", "32", "--channels", "2", "--channels", "3", "--repeats", "1"]
    main(["bench", "rasterizer", "--json", "--plot", str(picture), *options])
    result = json.loads(capsys.readouterr().out)
    assert [(row["by"], row["channels"]) for row in result["rows"]] == [("omg_jax", 2), ("omg_jax", 3)]
    assert set(result["left_out"]) == {peer.package for peer in PEERS}
    ElementTree.parse(picture)


def test_the_command_refuses_an_unknown_scene(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "rasterizer", "--scene", "teapot"])
    assert "no scene 'teapot'" in capsys.readouterr().err
