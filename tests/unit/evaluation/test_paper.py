"""The paper's numbers, against what its text says of them."""

import pytest

from omg_jax.evaluation.metrics import METRICS
from omg_jax.evaluation.paper import (
    ABLATION_COLUMNS,
    ABLATIONS,
    COUNTERPARTS,
    CROSS_COLUMNS,
    DECIMALS,
    LEVELS,
    SELF_COLUMNS,
    TABLE_1,
    TABLE_2,
    table_of,
)

MORE_IS_BETTER = ("PSNR", "SSIM", "CSIM")


def best(rows: dict[str, dict[str, float]], column: str) -> str:
    pick = max if column in MORE_IS_BETTER else min
    return pick(rows, key=lambda method: rows[method][column])


@pytest.mark.parametrize("table", [TABLE_1, TABLE_2], ids=["VFHQ", "HDTF"])
def test_level_2_is_best_in_every_column_of_self_reenactment(table):
    rows = table.columns("self")
    assert {best(rows, column) for column in SELF_COLUMNS} == {LEVELS["level 2"]}


def test_columns_belong_to_their_protocol():
    """Three columns stand in both, with other numbers."""
    assert list(TABLE_1.columns("cross")["LAM"]) == list(CROSS_COLUMNS)
    assert TABLE_1.columns("self")["LAM"]["CSIM"] == 0.822
    assert TABLE_1.columns("cross")["LAM"]["CSIM"] == 0.651
    assert TABLE_2.columns("cross")["LAM"]["APD"] == 0.229


def test_every_row_has_all_columns():
    for table in (TABLE_1, TABLE_2):
        assert {len(numbers) for numbers in table.rows.values()} == {len(SELF_COLUMNS) + len(CROSS_COLUMNS)}
        assert set(LEVELS.values()) <= set(table.rows)
    assert {len(numbers) for numbers in ABLATIONS.values()} == {len(ABLATION_COLUMNS)}


def test_the_ablation_of_nothing_is_level_2_of_table_1():
    assert ABLATIONS["whole"] == TABLE_1.rows["OMG-Avatar (Sub #2)"][: len(ABLATION_COLUMNS)]


def test_counterparts_are_metrics_of_ours_and_columns_of_the_paper():
    known = {metric.key for metric in METRICS}
    for protocol, counterparts in COUNTERPARTS.items():
        columns = set(SELF_COLUMNS if protocol == "self" else CROSS_COLUMNS)
        assert set(counterparts) <= known
        assert {counterpart.column for counterpart in counterparts.values()} == columns <= set(DECIMALS)


def test_a_metric_that_the_paper_computes_otherwise_says_so():
    for counterparts in COUNTERPARTS.values():
        for key, (_, differs) in counterparts.items():
            assert bool(differs) == (
                key not in ("psnr", "ssim", "lpips_squeeze", "csim_arcface_target", "csim_arcface_source")
            )


@pytest.mark.parametrize(
    ("name", "table", "same"),
    [("omg_hdtf/test", TABLE_2, True), ("omg_vfhq/test", TABLE_1, True), ("public", TABLE_1, False)],
)
def test_data_stand_beside_the_table_of_their_name(name, table, same):
    assert table_of(name) == (table, same)
