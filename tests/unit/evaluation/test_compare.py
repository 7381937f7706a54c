"""Two evaluations side by side."""

import numpy as np
import pytest

from omg_jax.evaluation.compare import compare, comparison_grids, leaves_out_zero
from omg_jax.evaluation.protocol import PROTOCOLS
from tests.tolerances import ROUNDED_MEANS
from tests.unit.evaluation.result_folder import METHODS, example_results, made_up_rows, write_results

PAIRS = tuple(f"clip_{index}" for index in range(8))  # as many as make a difference certain


def rows_with(psnr_gains: dict[str, float], pairs: tuple[str, ...] = PAIRS) -> dict:
    """The example's rows, with gains in PSNR of level 2 on some pairs."""
    rows = made_up_rows(pairs, METHODS)
    for pair, gain in psnr_gains.items():
        for row in rows[pair]["level 2"]:
            row["psnr"] += gain
    return rows


@pytest.fixture
def folders(tmp_path):
    """Writes two folders of results, and returns their paths."""

    def write(first: dict, second: dict):
        write_results(tmp_path / "a", first)
        write_results(tmp_path / "b", second)
        return tmp_path / "a", tmp_path / "b"

    return write


def find(comparison, method="level 2", key="psnr"):
    return next(row for row in comparison.differences if (row.method, row.key) == (method, key))


def test_the_difference_is_the_second_minus_the_first_pair_by_pair(folders):
    gains = dict(zip(PAIRS, 2 * (1.0, 2.0, 3.0, 4.0), strict=True))
    row = find(compare(*folders(example_results(rows_with({})), example_results(rows_with(gains)))))
    np.testing.assert_allclose(row.difference.mean, 2.5, **ROUNDED_MEANS)
    np.testing.assert_allclose(row.mean_b - row.mean_a, row.difference.mean, **ROUNDED_MEANS)
    assert row.pairs == 8
    assert 1.0 <= row.difference.low < row.difference.mean < row.difference.high <= 4.0
    assert leaves_out_zero(row.difference)


def test_a_change_that_all_pairs_share_leaves_out_zero_however_much_pairs_differ(folders):
    """The interval is of differences, not of means: pairs of the example lie a decibel apart."""
    row = find(compare(*folders(example_results(rows_with({})), example_results(rows_with(dict.fromkeys(PAIRS, 0.1))))))
    np.testing.assert_allclose([row.difference.low, row.difference.high], 0.1, **ROUNDED_MEANS)


def test_only_common_pairs_count(folders):
    fewer = PAIRS[:2]
    first = example_results(rows_with({}))
    second = example_results(rows_with(dict.fromkeys(fewer, 1.0), fewer))
    second["protocol"]["max_pairs"] = 2
    row = find(compare(*folders(first, second)))
    assert row.pairs == 2
    np.testing.assert_allclose(row.difference.mean, 1.0, **ROUNDED_MEANS)


def test_pairs_without_a_value_on_one_side_are_left_out(folders):
    rows = rows_with({})
    for row in rows["clip_0"]["level 2"]:
        row["csim_sface_target"] = None
    comparison = compare(*folders(example_results(rows), example_results(rows_with({}))))
    assert find(comparison, key="csim_sface_target").pairs == 7
    assert find(comparison).pairs == 8


def test_only_common_methods_and_metrics_are_compared(folders):
    methods = {"level 2": "network", "LAM": "pictures"}
    second = example_results(made_up_rows(PAIRS, methods), methods=methods)
    del second["metrics"]["ssim"]
    comparison = compare(*folders(example_results(rows_with({})), second))
    assert {row.method for row in comparison.differences} == {"level 2"}
    assert "ssim" not in comparison.metrics and "psnr" in comparison.metrics


def changed(path: tuple[str, ...], value):
    """The example's results with another value somewhere."""
    results = example_results(rows_with({}))
    place = results
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return results


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("protocol", "version"), PROTOCOLS["self"].version + 1, "version of the protocol"),
        (("protocol", "max_frames"), 10, "max_frames of the protocol"),
        (("data", "sha256"), "f" * 64, "sha256 of the data"),
        (("data", "pair_sha256", "clip_1"), "f" * 64, "clip_1 of the data"),
        (("metrics", "psnr", "back_end"), "another", "back_end of the metric psnr"),
    ],
)
def test_what_does_not_compare_is_named(folders, path, value, named):
    with pytest.raises(ValueError, match=named):
        compare(*folders(example_results(rows_with({})), changed(path, value)))


def test_other_protocols_do_not_compare(folders):
    with pytest.raises(ValueError, match="do not compare: the name of the protocol is 'self'"):
        compare(*folders(example_results(rows_with({})), example_results(rows_with({}), "cross")))


def test_nothing_in_common_is_one_sentence(folders):
    methods = {"LAM": "pictures"}
    second = example_results(made_up_rows(PAIRS, methods), methods=methods)
    with pytest.raises(ValueError, match="LAM"):
        compare(*folders(example_results(rows_with({})), second))


def test_methods_that_changed_are_tables_and_the_others_only_named(folders):
    comparison = compare(
        *folders(example_results(rows_with({})), example_results(rows_with(dict.fromkeys(PAIRS, 0.5))))
    )
    (grid,) = comparison_grids(comparison, "old", "new")
    assert grid.title == "level 2"
    assert [column.name for column in grid.columns] == ["old", "new", "difference", "pairs"]
    psnr, ssim = dict(grid.rows)["PSNR (dB) ↑"], dict(grid.rows)["SSIM ↑"]
    assert psnr[2].value == "+0.500" and psnr[2].best
    assert ssim[2].value == "+0.0000" and not ssim[2].best
    assert "level 0, repeat" in grid.notes[-1]


def test_a_difference_of_few_pairs_is_not_certain(folders):
    few = PAIRS[:3]
    first, second = (example_results(rows_with(dict.fromkeys(few, gain), few)) for gain in (0.0, 0.5))
    (grid,) = comparison_grids(compare(*folders(first, second)), "old", "new")
    assert not dict(grid.rows)["PSNR (dB) ↑"][2].best


def test_equal_evaluations_are_shown_whole(folders):
    comparison = compare(*folders(example_results(rows_with({})), example_results(rows_with({}))))
    assert [grid.title for grid in comparison_grids(comparison, "a", "b")] == list(METHODS)
