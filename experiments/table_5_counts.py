"""Table 5 of the paper, Gaussians by level, beside ours: results/table_5_counts.json.

    python experiments/attention_cost.py; python experiments/level_of_detail.py
    python experiments/table_5_counts.py

Needs what those two leave in experiments/results. Counts on FLAME's topology are computed, without a FLAME file; those
on the shoulders depend on the photo: the paper's are means over a test set, ours of one photo by the small preset.
"""

from paper_tables import load_result, write_table

from omg_jax.evaluation.paper import HEAD_GAUSSIANS, SHOULDER_GAUSSIANS
from omg_jax.evaluation.tables import Cell, Column, Grid


def main() -> None:
    counts, one_photo = load_result("attention_cost")["gaussians_on_the_head"], load_result("level_of_detail")
    columns = [Column("head", who) for who in ("paper", "ours, on FLAME", "ours, on the built-in head")]
    columns += [Column("head and shoulders", f"paper, {data}") for data in SHOULDER_GAUSSIANS]
    columns += [Column("head and shoulders", "ours, one photo")]
    rows = []
    for level, on_head in enumerate(HEAD_GAUSSIANS):
        ours, shown = counts[f"level {level}"], one_photo[f"level {level}"]
        numbers = [on_head, ours["ours, on FLAME"], ours["ours, on the ARKit head"]]
        numbers += [on_head + shoulders for shoulders in SHOULDER_GAUSSIANS.values()]
        numbers += [shown["head_gaussians"] + shown["plane_gaussians"]]
        rows.append((f"level {level}", tuple(Cell(f"{number:,}") for number in numbers)))
    note = "Shoulders: the paper's are means over its test sets, ours are of the demo's photo by the small preset."
    grid = Grid("Table 5: Gaussians", tuple(columns), tuple(rows), (note,))
    write_table("table_5_counts", "python experiments/table_5_counts.py", [grid])


if __name__ == "__main__":
    main()
