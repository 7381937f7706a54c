"""The avatar's half of ``omg bench``: a case to measure, and the result as tables."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich.table import Table

from omg_jax.assets.registry import asset_path
from omg_jax.benchmarks.avatar import Case, measure_avatar, stand_in_case
from omg_jax.cli.console import console, note, print_table, report
from omg_jax.cli.inputs import demo_motion, read_photo, track_portrait
from omg_jax.cli.network import load_network, shipped_weights
from omg_jax.cli.playback import fit_motion
from omg_jax.configs import load_preset
from omg_jax.geometry.camera import scale_camera
from omg_jax.head.load import load_head

PHOTO = "astronaut"


def bench_avatar(preset: str, weights: Path | None, repeats: int, as_json: bool) -> None:
    """Measures a preset's avatar, and prints tables, or one JSON object."""
    case = avatar_case(preset, weights)
    with console.status("measuring"):
        result = measure_avatar(case, repeats)
    if as_json:
        report(result, as_json=True)
        return
    for printed in tables(result):
        print_table(printed)


def avatar_case(preset: str, weights: Path | None) -> Case:
    """The demo's photo and motion with a preset's weights; a stand-in of random weights where none ship with it."""
    try:
        weights = weights or shipped_weights(preset)
    except ValueError:
        note(f"no weights ship with preset {preset}: random ones are measured, on a made-up photo")
        return stand_in_case(load_preset(preset), load_head("arkit"))
    network = load_network(preset, weights, "arkit")
    size, path = network.config.model.image_size, asset_path(PHOTO)
    photo = track_portrait(read_photo(path), network.head, path)
    motion = fit_motion(demo_motion(network.head), size)
    return Case(
        network,
        jax.image.resize(jnp.asarray(photo.image), (size, size, 3), "linear"),
        jax.image.resize(jnp.asarray(photo.matte), (size, size), "linear"),
        photo.params,
        scale_camera(photo.camera, size / photo.image.shape[0]),
        motion.head_params,
        motion.camera,
    )


def tables(result: dict[str, Any]) -> list[Table]:
    """Reconstruction by stage, frames by stage, and frames per second."""
    title = f"{result['preset']}, {result['device']}, {result['precision']}"
    build = result["reconstruction"]
    stages = {**build["stages"], "whole program": build["whole program"]}
    printed = [stage_table(f"reconstruction: {title}, {build['seconds']:.2f} s end to end", stages)]
    for name, level in result["frames"].items():
        count = level["head_gaussians"] + level["plane_gaussians"]
        printed.append(stage_table(f"a frame at {name}: {count} Gaussians", level["stages"]))
    names = list(result["frames"])
    rates = Table("frames per second", *names, title=title)
    for protocol in result["frames"][names[0]]["frames_per_second"]:
        rates.add_row(protocol, *(f"{result['frames'][name]['frames_per_second'][protocol]:.1f}" for name in names))
    return [*printed, rates]


def stage_table(title: str, stages: dict[str, dict[str, float]]) -> Table:
    """One row per stage."""
    columns = [name for name in next(iter(stages.values())) if name != "memory_mb"]
    table = Table("stage", *(name.replace("_", " ") for name in columns), title=title)
    for name, stage in stages.items():
        table.add_row(name, *(f"{stage[column]:.3g}" for column in columns))
    return table
