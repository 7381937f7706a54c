"""``omg bench``: how fast this machine is."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from omg_jax.benchmarks.rasterizer import DEFAULT_CASES, FULL_CASES, chosen_cases, measure
from omg_jax.benchmarks.report import bar_chart, table
from omg_jax.benchmarks.scenes import Case
from omg_jax.cli.bench_avatar import bench_avatar
from omg_jax.cli.bench_training import bench_training
from omg_jax.cli.console import console, note, print_table, report
from omg_jax.files import replacing

Several = Annotated[tuple[int, ...], tyro.conf.UseAppendAction]
Names = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


def bench(
    what: tyro.conf.Positional[Literal["rasterizer", "avatar", "training"]],
    json: bool = False,
    repeats: int = 7,
    full: bool = False,
    scene: Names = (),
    size: Several = (),
    channels: Several = (),
    batch: Several = (),
    plot: Path | None = None,
    preset: str = "small",
    weights: Path | None = None,
) -> None:
    """Times the rasterizer, forward, backward and both: heads at three levels of detail, and other scenes.

    Or an avatar: its reconstruction and its frames stage by stage, and frames per second at every level of detail. Or a
    training step: whole, part by part, by every driver on several devices, and its floor on GPUs.

    On a CPU, process-CPU milliseconds of one call; on a GPU, wall milliseconds of a call among many queued ones. Beside
    it, in the same run, whatever is installed of gsplat and splax (on a GPU), and the specification in plain JAX.

    Args:
        what: What to time. scene, size, channels, batch, full and plot are the rasterizer's options.
        json: Print one JSON object instead of a table.
        repeats: Runs per measurement; the fastest counts.
        full: All scenes with 3, 32 and 64 channels, pictures of 256 to 2048 pixels, batches of 8 views.
        scene: avatar-0 to avatar-2, ellipsoid-1k, -5k, -29k, -89k, cloud or huge. May be given several times, as may
            size, channels and batch: all combinations are measured.
        size: Pixels along a side of the picture.
        channels: Features of a Gaussian.
        batch: Views drawn in one call.
        plot: Write the times as a picture, NAME.svg.
        preset: The network of avatar and training.
        weights: The avatar's weights file; by default the one that ships with the preset, else random weights.
    """
    if what == "avatar":
        bench_avatar(preset, weights, repeats, json)
        return
    if what == "training":
        bench_training(preset, repeats, json)
        return
    cases = FULL_CASES if full else DEFAULT_CASES
    if scene or size or channels or batch:
        cases = chosen_cases(scene, size, channels, batch)
    bench_rasterizer(cases, repeats, json, plot)


def bench_rasterizer(cases: list[Case] | tuple[Case, ...], repeats: int, as_json: bool, picture: Path | None) -> None:
    """Measures the cases, and prints a table, or one JSON object."""
    with console.status("measuring") as status:
        result = measure(cases, repeats, tell=lambda case: status.update(f"measuring {case.scene}, {case.size} pixels"))
    for peer, reason in result["left_out"].items():
        note(f"{peer} is left out: {reason}")
    if picture is not None:
        with replacing(picture) as temporary:
            temporary.write_text(bar_chart(result))
    if as_json:
        report(result, as_json=True)
    else:
        print_table(table(result))
