"""The paper's tables and the README's results, from results that are there."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from omg_jax.evaluation.metrics import metric
from omg_jax.evaluation.paper import TABLE_1, TABLE_2
from omg_jax.evaluation.tables import Cell, Column, Grid, markdown_table
from tests.unit.evaluation.result_folder import METHODS, example_results, made_up_rows, write_example

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
GRID = Grid(
    "Table 9: counts",
    (Column("PSNR", "paper"), Column("PSNR", "ours")),
    (("level 2", (Cell("22.72"), Cell("24.10", "23.00, 25.20", True))),),
    ("A note.",),
)


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Imports a script as it imports itself, with an empty folder of results of its own."""
    monkeypatch.syspath_prepend(EXPERIMENTS)

    def load(name: str):
        module = importlib.import_module(name)
        for part in ("record", "paper_tables", name):
            if hasattr(sys.modules.get(part), "RESULTS"):
                monkeypatch.setattr(sys.modules[part], "RESULTS", tmp_path)
        return module

    return load


@pytest.fixture
def results():
    return example_results(made_up_rows(("clip_0", "clip_1"), METHODS))


def test_a_table_is_in_the_readme_as_it_was_printed(script, tmp_path, capsys):
    readme, tables = script("readme_results"), script("paper_tables")
    tables.write_table("table_9", "python experiments/table_9.py", [GRID, GRID], {"data": "public"})
    assert json.loads((tmp_path / "table_9.json").read_text())["data"] == "public"
    assert markdown_table(GRID) in capsys.readouterr().out
    shown = readme.paper_table(tmp_path / "table_9.json")
    assert shown.count(markdown_table(GRID)) == 2
    assert shown.count("`python experiments/table_9.py`") == 1 and "A note." in shown


def test_of_two_metrics_the_one_that_the_paper_has_is_taken(script, results):
    tables = script("paper_tables")
    assert tables.counterpart_key(results, "LPIPS") == "lpips_alex"
    assert tables.counterpart_key(results, "AKD") is None
    squeeze = metric("lpips_squeeze")
    results["metrics"]["lpips_squeeze"] = {"title": squeeze.title, "decimals": squeeze.decimals}
    assert tables.counterpart_key(results, "LPIPS") == "lpips_squeeze"


def test_ours_have_intervals_and_say_what_differs(script, results):
    tables = script("paper_tables")
    psnr, akd = tables.our_cells(results, "level 2", ("PSNR", "AKD"))
    row = results["results"]["level 2"]["psnr"]
    assert psnr == Cell(f"{row['mean']:.2f}", f"{row['low']:.2f}, {row['high']:.2f}") and akd.value == "–"
    notes = tables.back_end_notes(results, ("PSNR", "CSIM"))
    assert len(notes) == 1 and notes[0].startswith("CSIM*, self: ours is CSIM to target (SFace)")


@pytest.mark.parametrize(("name", "table", "says"), [("public", TABLE_1, True), ("omg_hdtf/test", TABLE_2, False)])
def test_a_table_says_where_the_papers_data_were_not_at_hand(script, results, name, table, says):
    results["data"]["name"] = name
    assert ("was not at hand" in script("paper_tables").data_note(results, table)) == says


def test_an_evaluation_is_kept_and_shown_with_what_it_ran_on(script, tmp_path, monkeypatch):
    write_example(tmp_path / "folder")
    run = json.loads((tmp_path / "folder" / "run.json").read_text())
    run["command"] = "omg evaluate /some/where/best.safetensors --data /data/clips"
    (tmp_path / "folder" / "run.json").write_text(json.dumps(run))
    monkeypatch.setattr(sys, "argv", ["keep_evaluation.py", "mine", str(tmp_path / "folder")])
    script("keep_evaluation").main()
    readme = script("readme_results")
    shown = readme.reenactment(tmp_path / "evaluation_mine.json")
    assert "`omg evaluate best.safetensors --data clips`; a processor; 2026-01-01; commit abc1234." in shown
    assert all(f"| {method} |" in shown for method in METHODS)
    assert "PSNR mouth" not in shown and "[" in shown


def test_results_alone_are_shown_too(script, tmp_path, results):
    (tmp_path / "evaluation_plain.json").write_text(json.dumps(results))
    shown = script("readme_results").reenactment(tmp_path / "evaluation_plain.json")
    assert shown.startswith("**Self-reenactment on held out: 2 pairs, 6 frames**.\n")


def test_the_readme_changes_between_its_markers_only(script, tmp_path, monkeypatch, results):
    readme, path = script("readme_results"), tmp_path / "README.md"
    path.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    monkeypatch.setattr(readme, "README", path)
    (tmp_path / "evaluation_plain.json").write_text(json.dumps(results))
    readme.main()
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith(f"{readme.END}\nafter\n")
    assert "Self-reenactment on held out" in text and "old\n" not in text
