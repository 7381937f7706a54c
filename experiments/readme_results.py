"""Writes the result section of README.md from experiments/results.

    python experiments/readme_results.py

The section stands between the markers BEGIN and END; a result that is not there yet is left out.
"""

import json
from pathlib import Path

from paper_tables import grid_from_json
from record import RESULTS

from omg_jax.evaluation.tables import (
    Grid,
    averaging_note,
    markdown_table,
    methods_grid,
    missed_notes,
    region_keys,
    title_of,
)

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results: experiments/readme_results.py -->", "<!-- end of results -->"


def three_digits(value: float) -> str:
    """Rounded, and never in powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def load(name: str) -> dict | None:
    """A result, or None."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def table(columns: list[str], rows: list[list]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def source(result: dict) -> str:
    """Where a result comes from."""
    return f"`{result['command']}`; {result['device']}; {result['date']}; commit {result['commit']}."


def reenactment(path: Path) -> str:
    """An evaluation that keep_evaluation.py kept: methods in rows, metrics in columns, of regions the head alone."""
    result = load(path.stem)
    others = set(region_keys(result)) - {"psnr_head"}
    keys = [key for key in result["metrics"] if key not in others]
    grid = methods_grid(result, keys, title_of(result), [averaging_note(result), *missed_notes(result)])
    return shown_grid(grid, result)


def paper_table(path: Path) -> str:
    """The tables that a script of one of the paper's left."""
    result = load(path.stem)
    first, *others = map(grid_from_json, result["tables"])
    return "\n".join([shown_grid(first, result), *map(shown_grid, others)])


def shown_grid(grid: Grid, result: dict | None = None) -> str:
    """A table under its title and where it comes from, over its notes."""
    origin = f" {source(result)}" if result and "command" in result else ""
    notes = "".join(f"\n{note}\n" for note in grid.notes)
    return f"**{grid.title}**.{origin}\n\n{markdown_table(grid)}\n{notes}"


def levels() -> str:
    """Gaussians and speed by level of detail."""
    result = load("level_of_detail")
    if result is None:
        return ""
    rows = [
        [name, row["head_gaussians"], row["plane_gaussians"], f"{row['frames_per_second']:.1f}"]
        for name, row in result.items()
        if name.startswith("level ")
    ]
    body = table(["", "Gaussians on the head", "on the plane", "frames per second, 512 x 512, refined"], rows)
    return f"**Levels of detail**, two CPU cores. {source(result)}\n\n{body}\n"


def tracking() -> str:
    """Reprojection error by clip."""
    result, flame_like = load("tracking"), load("tracking_flame_like")
    if result is None:
        return ""
    shapes, still = ("shape_of_clip", "shape_of_first_frame"), ("landmarks", "yaw", "pitch", "roll")
    clips = list(result["clips"].items())
    if flame_like:
        clips += [(f"{clip}, FLAME-like file", row) for clip, row in flame_like["clips"].items()]
    rows = [
        [clip, *(f"{row[shape][key]:.2f}" for shape in shapes for key in ("median", "p95"))]
        + [f"{row['smoothing']['second_difference'][key]:.2f}" for key in ("net", "smoothed")]
        + [" ".join(f"{row['repeatability']['mean'][key]:.2f}" for key in still)]
        + [f"{row['smoothing']['cpu_ms_per_frame']:.1f}"]
        for clip, row in clips
    ]
    columns = ["clip", "median, shape of the clip", "p95", "median, shape of one frame", "p95"]
    columns += ["trembling, landmark net", "trembling, head"]
    columns += ["the same frame again: landmarks, and yaw, pitch, roll in degrees", "CPU ms per frame"]
    return f"**Tracking**: reprojection error in {result['unit']}. {source(result)}\n\n{table(columns, rows)}\n"


def portraits() -> str:
    """How far parameters and pictures of synthetic people agree, and the speed of drawing them."""
    result = load("portraits")
    if result is None:
        return ""
    rows = [
        [what, *(f"{value:.3f}" for value in result[key].values())]
        for what, key in (
            ("overlap (IoU) of our head and the drawn one", "head_iou"),
            ("share of our head inside the matte", "head_inside_matte"),
        )
    ]
    rates = ", ".join(f"{rate:.1f} in {clips}" for clips, rate in result["frames_per_second_on_two_cores"].items())
    title = f"**Synthetic portraits**: {result['people']} people. Frames per second of two CPU cores: {rates}"
    return f"{title}. {source(result)}\n\n{table(['', *result['head_iou']], rows)}\n"


def rasterizer() -> str:
    """Times by scene."""
    result = load("rasterizer_cpu")
    if result is None:
        return ""
    rows = [
        [row["scene"], row["num_gaussians"], f"{row['size']} x {row['size']}", row["channels"]]
        + [f"{row[f'{name}_cpu_ms']:.1f}" for name in ("forward", "backward", "both")]
        for row in result["rows"]
        if row["by"] == "omg_jax"
    ]
    columns = ["scene", "Gaussians", "picture", "channels", "forward, CPU ms", "backward, CPU ms", "both, CPU ms"]
    return f"**Rasterizer**, {result['simd_level']}. {source(result)}\n\n{table(columns, rows)}\n"


def stage_table(stages: dict[str, dict], units: list[str]) -> str:
    """What each stage takes, in these units."""
    return table(
        ["", *(unit.replace("_", " ") for unit in units)],
        [[stage, *(three_digits(row[unit]) for unit in units)] for stage, row in stages.items()],
    )


def avatar(name: str, title: str) -> str:
    """Milliseconds of a reconstruction and of a frame by stage, and frames per second by level."""
    result = load(name)
    if result is None:
        return ""
    build = result["reconstruction"]
    stages = {f"reconstruction: {stage}": row for stage, row in build["stages"].items()}
    stages["reconstruction: whole program"] = build["whole program"]
    for level, measured in result["frames"].items():
        stages |= {f"frame, {level}: {stage}": row for stage, row in measured["stages"].items()}
    units = [unit for unit in ("cpu_ms", "wall_ms", "gflop", "moved_mb") if unit in build["whole program"]]
    times = stage_table(stages, units)
    levels = {level: measured["frames_per_second"] for level, measured in result["frames"].items()}
    protocols = next(iter(levels.values()))
    rates = table(
        ["frames per second", *levels],
        [[protocol, *(f"{row[protocol]:.1f}" for row in levels.values())] for protocol in protocols],
    )
    title += sizes(result["parameters"]) if "parameters" in result else ""
    heading = f"**{title}**, {build['seconds']:.2f} s from a tracked photo to an avatar; {memory(result)}"
    return f"{heading}. {source(result)}\n\n{times}\n\n{rates}\n"


def training() -> str:
    """Milliseconds of a training step by level and by part, of every driver, and what GPUs cannot beat."""
    result = load("training_small_cpu")
    if result is None:
        return ""
    stages = {f"whole step, {level}": step for level, step in result["steps"].items()}
    for part, passes in result["parts"].items():
        stages |= {f"{part}, {name}": row for name, row in passes.items()}
    times = stage_table(stages, list(next(iter(stages.values()))))
    columns = list(result["drivers"][0])
    drivers = table(
        ["tiny preset, level 0: driver", *(column.replace("_", " ") for column in columns[1:])],
        [[row["driver"], *(three_digits(row[column]) for column in columns[1:])] for row in result["drivers"]],
    )
    floors = table(
        ["no float32 step of this size is faster on", "step, ms", "a whole run at a third of that, hours"],
        [[name, *map(three_digits, row.values())] for name, row in result["floors"].items()],
    )
    title = f"A training step of the small preset on a CPU, {result['batch_size']} pair of {result['window']} pixels"
    loading = f"reading a pair takes one thread {result['data']['wall_ms']:.0f} ms"
    return f"**{title}**; {loading}. {source(result)}\n\n{times}\n\n{drivers}\n\n{floors}\n"


def memory(result: dict) -> str:
    """The most memory held, by the process or on the device."""
    name = next(name for name in result if name.endswith("_peak_memory_mib"))
    return f"the {name.split('_')[0]} held at most {result[name] / 2**10:.1f} GiB"


def sizes(parameters: dict[str, int]) -> str:
    """How many parameters a network and its backbone have."""
    trained = sum(count for name, count in parameters.items() if name != "backbone")
    return f": {trained / 1e6:.1f} M parameters and a frozen backbone of {parameters['backbone'] / 1e6:.1f} M"


def main() -> None:
    sections = [
        levels(),
        *map(reenactment, sorted(RESULTS.glob("evaluation_*.json"))),
        *map(paper_table, sorted(RESULTS.glob("table_*.json"))),
        tracking(),
        avatar("avatar_stages_cpu", "The small preset on a CPU"),
        avatar("avatar_gpu", "The small preset on a GPU"),
        avatar("paper_size", "The paper preset, full size with random weights"),
        training(),
        portraits(),
        rasterizer(),
    ]
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(section for section in sections if section)
    README.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}")


if __name__ == "__main__":
    main()
