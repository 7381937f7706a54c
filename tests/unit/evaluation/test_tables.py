"""Tables of results."""

import pytest

from omg_jax.evaluation.tables import MISSING, grids, latex, markdown, title_of, write_tables
from tests.unit.evaluation.result_folder import (
    FRAMES,
    METHODS,
    example_results,
    made_up_rows,
    write_example,
    write_results,
)

PAIRS = ("clip_0", "clip_1", "clip_2")


@pytest.fixture
def results():
    return example_results(made_up_rows(PAIRS, METHODS))


def columns_of(grid):
    return [column.name for column in grid.columns]


def test_every_method_is_a_row_and_every_metric_a_column_of_one_table(results):
    whole, regions, _ = grids(results)
    assert [name for name, _ in whole.rows] == [name for name, _ in regions.rows] == list(METHODS)
    titles = {metric["title"] for metric in results["metrics"].values()}
    assert set(columns_of(whole)) | set(columns_of(regions)) == titles
    assert columns_of(regions) == ["PSNR head", "PSNR mouth"]


def test_a_cell_is_the_mean_with_its_interval(results):
    row = results["results"]["level 2"]["psnr"]
    cell = dict(grids(results)[0].rows)["level 2"][0]
    assert cell.value == f"{row['mean']:.2f}"
    assert cell.interval == f"{row['low']:.2f}, {row['high']:.2f}"


def test_the_best_of_a_column_is_marked_whichever_direction_is_better(results):
    whole = grids(results)[0]
    assert all(cell.best for cell in dict(whole.rows)["level 2"])
    assert not any(cell.best for name, cells in whole.rows if name != "level 2" for cell in cells)


def test_methods_whose_print_is_equal_are_both_best():
    rows = made_up_rows(PAIRS, METHODS)
    for pair in PAIRS:
        rows[pair]["repeat"] = rows[pair]["level 2"]
    best = [name for name, cells in grids(example_results(rows))[0].rows if cells[0].best]
    assert best == ["level 2", "repeat"]


def test_one_pair_has_no_interval_and_the_note_says_so():
    whole = grids(example_results(made_up_rows(("clip_0",), METHODS)))[0]
    assert {cell.interval for _, cells in whole.rows for cell in cells} == {""}
    assert "one pair" in whole.notes[0]


def test_the_papers_columns_stand_beside_ours(results):
    beside = grids(results)[-1]
    assert [tuple(column) for column in beside.columns] == [
        ("level 2", "paper, VFHQ"),
        ("level 2", "ours"),
        ("level 0", "paper, VFHQ"),
        ("level 0", "ours"),
    ]
    psnr = dict(beside.rows)["PSNR (dB) ↑"]
    ours = f"{results['results']['level 0']['psnr']['mean']:.2f}"
    assert [cell.value for cell in psnr][2:] == ["22.18", ours]


def test_another_back_end_than_the_papers_is_marked(results):
    beside = grids(results)[-1]
    names = [name for name, _ in beside.rows]
    marked = [name for name in names if "[" in name]
    assert marked == ["LPIPS (alex) ↓ [1]", "CSIM to target (SFace) ↑ [2]", "AED (own tracker) ↓ [3]"]
    assert all(any(note.startswith(f"[{number}]") for note in beside.notes) for number in (1, 2, 3))


def test_other_data_than_the_papers_are_said_to_be_other(results):
    assert "other data (held out)" in grids(results)[-1].notes[0]
    same = example_results(made_up_rows(PAIRS, METHODS), data_name="omg_hdtf/test")
    beside = grids(same)[-1]
    assert "Table 2" in beside.notes[0] and "other data" not in beside.notes[0]
    assert dict(beside.rows)["PSNR (dB) ↑"][0].value == "24.14"


def test_a_method_of_the_papers_stands_beside_its_own_row():
    methods = {"LAM": "pictures"}
    beside = grids(example_results(made_up_rows(PAIRS, methods), methods=methods))[-1]
    assert dict(beside.rows)["PSNR (dB) ↑"][0].value == "22.65"


def test_baselines_alone_have_no_paper_beside_them():
    methods = {"repeat": "baseline"}
    tables = grids(example_results(made_up_rows(PAIRS, methods), methods=methods))
    assert [grid.title for grid in tables][1:] == ["Regions of the picture"]


def test_cross_identity_shows_what_needs_no_target():
    whole, beside = grids(example_results(made_up_rows(PAIRS, METHODS), "cross"))
    assert columns_of(whole) == ["CSIM to source (SFace)", "AED (own tracker)"]
    assert [cell.value for cell in dict(beside.rows)["AED (own tracker) ↓ [2]"]][::2] == ["0.235", "0.254"]


def test_frames_without_a_face_are_counted_in_a_note():
    rows = made_up_rows(PAIRS, METHODS)
    for row in rows["clip_1"]["repeat"][:2]:
        row["csim_sface_target"] = None
    notes = grids(example_results(rows))[0].notes
    assert any(note.startswith("Frames of repeat") and "2 for CSIM to target (SFace)" in note for note in notes)


def test_few_pairs_are_told():
    few, enough = (tuple(f"clip_{index}" for index in range(count)) for count in (3, 8))
    notes = [grids(example_results(made_up_rows(pairs, METHODS)))[0].notes[0] for pairs in (few, enough)]
    assert ["too narrow" in note for note in notes] == [True, False]


def test_metrics_that_the_paper_lacks_make_no_empty_table():
    results = example_results(made_up_rows(PAIRS, METHODS))
    results["metrics"] = {key: results["metrics"][key] for key in ("csim_sface_source",)}
    assert [grid.title for grid in grids(results)] == [title_of(results)]


def test_a_method_without_any_value_has_a_dash():
    rows = made_up_rows(PAIRS, METHODS)
    for pair in PAIRS:
        for row in rows[pair]["repeat"]:
            row["csim_sface_target"] = None
    whole = grids(example_results(rows))[0]
    place = columns_of(whole).index("CSIM to target (SFace)")
    assert dict(whole.rows)["repeat"][place].value == MISSING
    assert dict(whole.rows)["level 2"][place].best


def test_markdown_rows_have_as_many_cells_as_the_header(results):
    results["results"] = {"a | b": results["results"]["level 2"]}
    results["methods"] = {"a | b": {"kind": "pictures"}}
    lines = [line.replace(r"\|", "") for line in markdown(results).splitlines() if line.startswith("|")]
    whole, regions = lines[:3], lines[3:]
    for table in (whole, regions):
        assert len({line.count("|") for line in table}) == 1


def test_latex_escapes_its_signs(results):
    results["data"]["name"] = "50% of a_b & c"
    text = latex(results)
    assert r"50\% of a\_b \& c" in text
    assert r"PSNR & SSIM" in text and r"(dB) $\uparrow$" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    assert "↑" not in text and "–" not in text


def test_the_tables_are_written_into_the_folder(tmp_path):
    results = write_example(tmp_path)
    write_tables(tmp_path)
    assert (tmp_path / "tables.md").read_text() == markdown(results)
    assert (tmp_path / "tables.tex").read_text() == latex(results)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": 99}'])
def test_a_folder_without_results_is_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(ValueError, match="evaluat"):
        write_tables(tmp_path)
    assert not (tmp_path / "tables.md").exists()


def test_frames_are_counted(results, tmp_path):
    write_results(tmp_path, results)
    assert grids(results)[0].title == f"Self-reenactment on held out: 3 pairs, {3 * len(FRAMES)} frames"
