"""``omg evaluate``: a network, or any method's pictures, measured by a pinned protocol."""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from omg_jax.cli.console import note, print_table, progress_bar, report, telling
from omg_jax.cli.evaluation_tables import grid_table, grid_tables
from omg_jax.cli.network import load_network
from omg_jax.cli.network_methods import network_methods
from omg_jax.evaluation.baselines import make_baselines
from omg_jax.evaluation.compare import compare as compare_folders
from omg_jax.evaluation.compare import comparison_grids
from omg_jax.evaluation.judge import Judge
from omg_jax.evaluation.method import Method, slug
from omg_jax.evaluation.metrics import ARCFACE_KEYS, DEFAULT_KEYS
from omg_jax.evaluation.pair_sets import PairSet, open_pairs
from omg_jax.evaluation.picture_folders import pictures_method, write_inputs
from omg_jax.evaluation.protocol import PROTOCOLS
from omg_jax.evaluation.report import write_report
from omg_jax.evaluation.run import evaluate as evaluate_methods
from omg_jax.evaluation.tables import grids, write_tables
from omg_jax.head.load import Head, load_head

SHIPPED = "shipped"


def evaluate(
    weights: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[WEIGHTS]")] = "",
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    protocol: Literal["self", "cross"] = "self",
    data: str = "public",
    preset: str = "small",
    head: str = "arkit",
    levels: tuple[int, ...] = (0, 1, 2),
    shoulders: tuple[Literal["tracked", "still", "follow"], ...] = ("tracked",),
    baselines: bool = True,
    metrics: tuple[str, ...] = (),
    arcface: Path | None = None,
    max_pairs: int | None = None,
    max_frames: int | None = None,
    keep_pictures: bool = False,
    pictures: Path | None = None,
    name: str = "",
    inputs: Path | None = None,
    compare: tuple[Path, Path] | None = None,
    json: bool = False,
) -> None:
    """A network's pictures, or any method's, measured by a pinned protocol; the same command again goes on.

    Writes results.json, frames.csv (every number), tables.md, tables.tex, report.html, pictures of some frames, and
    run.json (what it ran on). Without weights and --pictures, the shipped network is measured.

    Args:
        weights: A weights file, or "shipped": the one that ships with the preset.
        output: The folder to write to.
        protocol: self: a clip's first frame is the photo, its others drive and are the truth; cross: the next clip's
            frames drive.
        data: A folder of clips, a dataset of omg dataset (its test split if it has one), or "public": three clips that
            are fetched, tracked and cut out once.
        preset: The network: small, or paper.
        head: The head model of the weights and the data.
        levels: The network's levels of detail; of the finest the picture without the refiner is measured too.
        shoulders: tracked moves them as the driver's torso; still keeps them as the photo shows them, and so does
            tracked where the data have no torso; follow turns them with the head, as the paper does; tracked follow
            measures both.
        baselines: Measure what needs no training as well; --no-baselines saves their time.
        metrics: Keys of the metrics; by default all but the slow ones and those whose weights only users have. An
            unknown key tells the known ones.
        arcface: ArcFace weights (ONNX); csim_arcface_target and csim_arcface_source are then measured by default.
        max_pairs: Only so many pairs, the first ones.
        max_frames: Only so many driver frames of a clip, spread over it.
        keep_pictures: Write all pictures, to OUTPUT/kept/METHOD/PAIR/FRAME.png.
        pictures: A folder of a method's pictures, PAIR/FRAME.png, to be measured instead of a network, or beside it.
        name: What that method is called.
        inputs: Write what a method needs to make such pictures to this folder, and measure nothing.
        compare: Two folders of results to set side by side, and nothing else.
        json: Print one JSON object.
    """
    if compare is not None:
        show_comparison(*compare, as_json=json)
        return
    loaded = load_head(head)
    if inputs is not None:
        pair_set = chosen_pairs(data, protocol, loaded, max_pairs, max_frames)
        with progress_bar() as progress:
            write_inputs(pair_set, inputs, telling(progress))
        report({"inputs": str(inputs), "pairs": len(pair_set.pairs)}, as_json=json)
        return
    if output is None:
        raise ValueError("name the folder to write results to, by -o FOLDER")
    if pictures and not name:
        raise ValueError("say what the method of these pictures is called, by --name NAME")
    judge = Judge(loaded, metrics or (DEFAULT_KEYS + ARCFACE_KEYS * (arcface is not None)), arcface_file=arcface)
    pair_set = chosen_pairs(data, protocol, loaded, max_pairs, max_frames)
    methods: dict[str, Method] = {}
    if weights or not pictures:
        path = None if weights in ("", SHIPPED) else Path(weights)
        methods |= network_methods(load_network(preset, path, head), levels, shoulders)
    if baselines:
        methods |= {title: Method(draw, {"kind": "baseline"}) for title, draw in make_baselines(loaded.model).items()}
    if pictures:
        methods = {free_name(name, methods): pictures_method(pictures, pair_set)} | methods
    with progress_bar() as progress:
        results = evaluate_methods(
            pair_set, methods, judge, output,
            command=shlex.join(["omg", *sys.argv[1:]]), keep_pictures=keep_pictures, told=telling(progress),
        )  # fmt: skip
    write_tables(output)
    page = write_report(output)
    if json:
        report({"output": str(output), **{key: results[key] for key in ("protocol", "data", "results")}}, as_json=True)
        return
    for grid in grids(results):
        for table in grid_tables(grid, Console().width):  # of stdout
            print_table(table)
    note(f"intervals are in {output / 'tables.md'}, everything is in {page}")


def chosen_pairs(data: str, protocol: str, head: Head, max_pairs: int | None, max_frames: int | None) -> PairSet:
    """The pairs of the data by a protocol, or as many as are asked for."""
    limits = {"max_pairs": max_pairs, "max_frames": max_frames}
    for option, limit in limits.items():
        if limit is not None and limit < 1:
            raise ValueError(f"--{option.replace('_', '-')} must be at least 1, got {limit}; leave it out to take all")
    chosen = dataclasses.replace(
        PROTOCOLS[protocol], **{name: limit for name, limit in limits.items() if limit is not None}
    )
    with progress_bar() as progress:
        return open_pairs(data, chosen, head, telling(progress))


def free_name(name: str, methods: dict[str, Method]) -> str:
    """The name of a method whose pictures are given; ValueError where it is another method's."""
    if slug(name) in map(slug, methods):
        raise ValueError(f"another method is called {name!r} already; give another --name")
    return name


def show_comparison(first: Path, second: Path, *, as_json: bool) -> None:
    """Prints two results side by side: of every common method and metric both means, and their difference."""
    comparison = compare_folders(first, second)
    if as_json:
        rows = [{**row._asdict(), "difference": row.difference._asdict()} for row in comparison.differences]
        report({"first": str(first), "second": str(second), "differences": rows}, as_json=True)
        return
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    for grid in comparison_grids(comparison, *names):
        print_table(grid_table(grid, intervals=True))
