"""Table 3 of the paper, frames per second, beside ours: results/table_3_speed.json.

    python experiments/bench_avatar.py; python experiments/paper_size.py; make gpu-check-bench
    python experiments/table_3_speed.py

Needs what those three leave in experiments/results, each where it was run: a missing one is left out and named below
the table. Ours are by the paper's protocol: 100 frames one by one, from the head's vertices to the refined picture.
"""

import json

from paper_tables import write_table
from record import RESULTS

from omg_jax.evaluation.paper import FRAMES_PER_SECOND, LEVELS
from omg_jax.evaluation.tables import MISSING, Cell, Column, Grid

MEASURED = ("avatar_gpu", "avatar_stages_cpu", "paper_size")  # results that measure_avatar made
PROTOCOL = "refined, paper's protocol"


def main() -> None:
    files = {name: RESULTS / f"{name}.json" for name in MEASURED}
    results = {name: json.loads(path.read_text()) for name, path in files.items() if path.is_file()}
    columns = [Column("paper", device) for device in FRAMES_PER_SECOND]
    columns += [Column("ours", f"{result['preset']}, {result['device']}") for result in results.values()]
    methods = dict.fromkeys(method for of_device in FRAMES_PER_SECOND.values() for method in of_device)
    rows = [(method, speeds(method, list(results.values()))) for method in methods]
    notes = ["512 x 512, refined. The paper's head is FLAME, ours the built-in one, of 3 % more vertices."]
    notes += [
        f"{result['preset']}, {result['device']}: `{result['command']}`, {result['date']}, commit {result['commit']}."
        for result in results.values()
    ]
    missing = [name for name in MEASURED if name not in results]
    notes += [f"Not measured yet: {', '.join(missing)}."] * bool(missing)
    grid = Grid("Table 3: frames per second", tuple(columns), tuple(rows), tuple(notes))
    write_table("table_3_speed", "python experiments/table_3_speed.py", [grid])


def speeds(method: str, results: list[dict]) -> tuple[Cell, ...]:
    """The paper's frames per second of a method and, for its own levels, ours."""
    level = next((level for level, name in LEVELS.items() if name == method), None)
    numbers = [of_device.get(method) for of_device in FRAMES_PER_SECOND.values()]
    numbers += [result["frames"][level]["frames_per_second"][PROTOCOL] if level else None for result in results]
    return tuple(Cell(MISSING if number is None else f"{number:.2f}") for number in numbers)


if __name__ == "__main__":
    main()
