"""The rasterizer's benchmark: which cases it takes, and one row of figures for each of them and each contestant."""

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax

from omg_jax import native
from omg_jax.benchmarks.clock import least_cpu_ms, least_queued_ms
from omg_jax.benchmarks.contestants import (
    UNEQUAL_PIXELS,
    Contestant,
    Scene,
    difference,
    make_scene,
    ours,
    reference,
    reference_is_feasible,
)
from omg_jax.benchmarks.cost import (
    Peaks,
    Work,
    backward_cost,
    count_work,
    floor_ms,
    forward_cost,
    peaks_of,
)
from omg_jax.benchmarks.peers import PEERS, Peer, absence
from omg_jax.benchmarks.report import case_name
from omg_jax.benchmarks.scenes import Case, build_case
from omg_jax.splat import rasterize

AVATARS = ("avatar-0", "avatar-1", "avatar-2")
ELLIPSOIDS = ("ellipsoid-5k", "ellipsoid-29k", "ellipsoid-89k")
SMALL_CASE = Case("ellipsoid-1k", size=64, channels=3)  # for the specification in plain JAX
DEFAULT_CASES = (
    *(Case(scene, channels=channels) for scene in (*AVATARS, *ELLIPSOIDS) for channels in (3, 32)),
    Case("cloud"),
    Case("huge"),
    SMALL_CASE,
)
FULL_CASES = (
    *(Case(scene, channels=channels) for scene in (*AVATARS, "cloud", "huge") for channels in (3, 32, 64)),
    *(Case(scene, channels=channels) for scene in ELLIPSOIDS for channels in (3, 32)),
    *(Case("avatar-2", size, channels) for size in (256, 1024, 2048) for channels in (3, 32, 64)),
    *(Case(scene, channels=channels, batch=8) for scene in AVATARS for channels in (3, 32)),
    SMALL_CASE,
)
PEER_CASES = (
    *(Case(scene, channels=channels) for scene in (*AVATARS, "cloud", "huge") for channels in (3, 32)),
    *(Case("avatar-2", channels=channels, batch=8) for channels in (3, 32)),
    SMALL_CASE,
)


def chosen_cases(
    scenes: Iterable[str], sizes: Iterable[int], channels: Iterable[int], batches: Iterable[int]
) -> list[Case]:
    """Every combination; what is left empty is the finest avatar, 512 pixels, 32 channels, one view."""
    finest = Case(AVATARS[-1])
    axes = (values or (one,) for values, one in zip((scenes, sizes, channels, batches), finest, strict=True))
    return [Case(*combination) for combination in itertools.product(*axes)]


def measure(
    cases: Iterable[Case],
    repeats: int,
    peers: tuple[Peer, ...] = PEERS,
    tell: Callable[[Case], None] = lambda case: None,
) -> dict[str, Any]:
    """All figures of these cases on JAX's default device, as `omg bench rasterizer --json` prints them.

    rows: one for each case and contestant (see measure_contestant); left_out: why a peer is not among them. A row's
    times end in _cpu_ms on a CPU (process-CPU time), in _ms on a GPU (wall time of queued calls). tell is called
    before each case.
    """
    library, device = native.load(), jax.devices()[0]
    left_out = {peer.package: reason for peer in peers if (reason := absence(peer))}
    rows = []
    for case in cases:
        tell(case)
        rows += measure_case(case, peers, left_out, repeats)
    return {
        "simd_level": library.simd_level(),
        "cuda_architectures": library.cuda_architectures,
        "device": device.device_kind,
        "rows": rows,
        "left_out": left_out,
    }


def measure_case(case: Case, peers: tuple[Peer, ...], left_out: dict[str, str], repeats: int) -> list[dict[str, Any]]:
    """A row for each contestant of one case, ours first. Why a peer failed goes into left_out."""
    scene = make_scene(*build_case(case), case.size)
    stats = rasterize(scene.gaussians, scene.camera, (case.size, case.size)).stats
    num_gaussians, num_instances = scene.gaussians.opacities.shape[1], int(stats.num_instances.sum())
    facts = {**case._asdict(), "num_gaussians": num_gaussians, "num_instances": num_instances}
    first, limits = ours(scene), peaks_of(jax.devices()[0].device_kind)
    row = {**facts, **measure_contestant(first, first, repeats)}
    rows = [row if limits is None else {**row, **roofline(case, row, limits)}]
    for contestant in others(case, scene, peers, left_out):
        rows.append({**facts, **measure_contestant(contestant, first, repeats)})
    return rows


def others(case: Case, scene: Scene, peers: tuple[Peer, ...], left_out: dict[str, str]) -> Iterator[Contestant]:
    """Who else draws this case, one at a time: two need not share the memory."""
    if jax.default_backend() == "gpu":
        yield ours(scene, deterministic=False)
    if reference_is_feasible(scene):
        yield reference(scene)
    for peer in peers:
        if peer.only_channels in (None, case.channels) and peer.package not in left_out:
            yield from of_peer(peer, scene, left_out)


def of_peer(peer: Peer, scene: Scene, left_out: dict[str, str]) -> Iterator[Contestant]:
    """A peer's contestants, which have run once; what they print goes to stderr."""
    for make in peer.contestants:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                contestant = make(scene)
                for run in (contestant.forward, contestant.backward, contestant.both):
                    contestant.wait(run())
        except Exception as error:  # foreign code, which may raise anything: it must not end a run of the others
            left_out[peer.package] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            return
        yield contestant


def measure_contestant(contestant: Contestant, expected: Contestant, repeats: int) -> dict[str, Any]:
    """Milliseconds of either pass and of both, the least of some; megabytes; how its picture differs from ours.

    equal: only then do its times count.
    """
    on_cpu = jax.default_backend() == "cpu"
    clock, unit = (least_cpu_ms, "cpu_ms") if on_cpu else (least_queued_ms, "ms")
    largest, share = difference(contestant, expected)
    row = {"by": contestant.name, "largest_difference": largest, "unequal_pixels": share}
    row["equal"] = share <= UNEQUAL_PIXELS
    for name in ("forward", "backward", "both"):
        row[f"{name}_{unit}"] = clock(getattr(contestant, name), contestant.wait, repeats)
    for name in ("forward", "both"):
        memory = getattr(contestant, f"{name}_memory")
        row[f"{name}_memory_mb"] = None if memory is None else memory / 2**20
    return row


def roofline(case: Case, row: dict[str, Any], limits: Peaks) -> dict[str, float]:
    """What our passes move and compute at least, the time of that at the device's peaks, and its share of the measured.

    The docstrings of cost.forward_cost and backward_cost tell the model. A share of 1 would be perfect.
    """
    work = count_scene(case._replace(channels=1))._replace(num_channels=case.channels)
    figures = {"num_lanes": work.num_lanes, "num_pairs": work.num_pairs}
    for name, cost in (("forward", forward_cost(work)), ("backward", backward_cost(work))):
        least = floor_ms(cost, limits)
        figures |= {f"{name}_megabytes": cost.num_bytes / 1e6, f"{name}_gigaflop": cost.flops / 1e9}
        figures |= {f"{name}_floor_ms": least, f"{name}_roofline": least / row[f"{name}_ms"]}
    return figures


@functools.cache
def count_scene(case: Case) -> Work:
    """A case's work, counted once: nearly all of it does not depend on the channels."""
    return count_work(*build_case(case), case.size)


def speedups(result: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """By case and contestant: how many times longer it takes than ours, for those whose pictures are equal."""
    table = {}
    for name, rows in itertools.groupby(result["rows"], case_name):
        first, *rest = rows
        passes = [key for key in first if key.endswith("_ms") and "floor" not in key]
        ratios = {row["by"]: {key: row[key] / first[key] for key in passes} for row in rest if row["equal"]}
        table |= {name: ratios} if ratios else {}
    return table
