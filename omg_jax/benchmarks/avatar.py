"""What an avatar costs, stage by stage: its reconstruction from a photo, and a frame at every level of detail.

Beside each time stands the stage's floor: the operations and bytes of its compiled program, as XLA counts them (the
rasterizer's are not among them). On a CPU a stage has the process-CPU time of all threads, which other programs hardly
disturb, and the wall time, which on more than one core is less; on a GPU the time of queued calls.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from omg_jax.avatar import (
    Avatar,
    Network,
    build_program,
    count_gaussians,
    frame_program,
    make_person,
    make_player,
    make_reconstructor,
    photo_tokens,
    pose_person,
    queries_program,
)
from omg_jax.benchmarks.clock import least_cpu_ms, least_queued_ms
from omg_jax.config import Config
from omg_jax.geometry.camera import circle_camera, portrait_intrinsics
from omg_jax.head.load import Head
from omg_jax.head.model import zero_params
from omg_jax.models.dinov2 import DinoV2
from omg_jax.models.dinov2_weights import CONFIGS
from omg_jax.models.omg import Source, build_model
from omg_jax.models.precision import compute_dtype
from omg_jax.models.state import merge_model, split_model, split_shapes
from omg_jax.splat.api import rasterize
from omg_jax.types import Camera, HeadParams

PROTOCOL_FRAMES, PROTOCOL_WARM_UPS = 100, 2  # the authors' timer
QUEUED_FRAMES = 24
STAND_IN_DISTANCE, STAND_IN_TURN = 9.2, 20.0  # world units; degrees to either side


class Case(NamedTuple):
    """What is measured: a network, a tracked photo, and the frames of a driver (one leading axis)."""

    network: Network
    image: jax.Array
    matte: jax.Array
    params: HeadParams
    camera: Camera
    driving_params: HeadParams
    driving_cameras: Camera


def stand_in_case(config: Config, head: Head, network: Network | None = None) -> Case:
    """A case that needs no photo, no driver and no downloads: a grey bust, and a camera that swings around it.

    network: by default one of random weights; a network without a backbone gets one of random weights.
    """
    dtype = compute_dtype(config.precision)
    if network is None:
        model = random_model(lambda: build_model(config.model, head.model, seed=0, dtype=dtype))
        network = Network(config, head, model, None, "0" * 64)
    if network.backbone is None:
        backbone = random_model(lambda: DinoV2(CONFIGS[config.model.backbone], nnx.Rngs(0), dtype))
        network = network._replace(backbone=backbone)
    size = config.model.image_size
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    matte = jnp.asarray((rows**2 + columns**2 < 0.16) | (rows > 0.2), jnp.float32)
    pose = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = STAND_IN_DISTANCE
    camera = Camera(jnp.asarray(pose), portrait_intrinsics((size, size)))
    params, frames = zero_params(head.model), PROTOCOL_FRAMES + PROTOCOL_WARM_UPS
    yaws = np.radians(STAND_IN_TURN) * np.sin(np.linspace(0.0, 2.0 * np.pi, frames))
    tiled = jax.tree.map(lambda x: jnp.broadcast_to(x, (frames, *x.shape)), (params, camera))
    cameras = circle_camera(tiled[1], yaws, np.zeros(frames))
    return Case(network, jnp.full((size, size, 3), 0.5), matte, params, camera, tiled[0], cameras)


def random_model(make: Callable[[], nnx.Module]) -> nnx.Module:
    """A module with random weights, none of which takes a compilation."""
    graphdef, shapes, constants = split_shapes(make)
    rng = np.random.default_rng(0)
    weights = jax.tree.map(lambda x: jnp.asarray(rng.normal(scale=0.05, size=x.shape), x.dtype), shapes)
    return merge_model(graphdef, weights, constants)


def measure_avatar(
    case: Case, repeats: int = 5, batch: int = 4, lods: tuple[int, ...] = (0, 1, 2)
) -> dict[str, Any]:
    """The whole benchmark of a case, as plain numbers; about a minute for the small preset on two cores.

    batch: drivers that are played in one call; lods: levels that are played.
    """
    avatar, reconstruction = measure_reconstruction(case, repeats)
    levels = {f"level {lod}": measure_level(case, avatar, lod, repeats, batch) for lod in lods}
    return {
        "preset": case.network.config.name,
        "device": jax.devices()[0].device_kind,
        "precision": str(compute_dtype(case.network.config.precision)),
        "image_size": case.network.config.model.image_size,
        "reconstruction": reconstruction,
        "frames": levels,
        "peak_memory_mb": peak_memory_mb(),
    }


def measure_reconstruction(case: Case, repeats: int) -> tuple[Avatar, dict[str, Any]]:
    """(the avatar, its stages). Heads and plane are what the program takes longer with than without them."""
    network, model_config = case.network, case.network.config.model
    graphdef, *parameters = split_model(network.model)
    backbone_graph, *backbone_parameters = split_model(network.backbone)
    lods = tuple(range(model_config.num_levels + 1))
    photo = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32)[None], case[1:5])
    image, matte, params, camera = photo
    image = image * matte[..., None]
    queries = queries_program(graphdef)(*parameters)

    def backbone(parameters, image):
        return photo_tokens(merge_model(backbone_graph, *parameters), image, model_config.backbone_size)

    def pyramid(parameters, tokens, image):
        return merge_model(graphdef, *parameters).pyramid(tokens, image)

    def transformer(parameters, queries, tokens):
        return merge_model(graphdef, *parameters).transformer(tokens, queries)

    def levels(parameters, queries, tokens, image, matte, params, camera):
        source = Source(image, matte, tokens, params, camera)
        return merge_model(graphdef, *parameters).build(source, lods, queries).levels

    tokens = jax.jit(backbone)(backbone_parameters, image)
    whole = build_program(graphdef, backbone_graph, model_config.backbone_size, lods, model_config.plane.capacity)
    stages = {
        "backbone": stage(jax.jit(backbone), (backbone_parameters, image), repeats),
        "pyramid": stage(jax.jit(pyramid), (parameters, tokens, image), repeats),
        "transformer": stage(jax.jit(transformer), (parameters, queries, tokens[-1]), repeats),
        "transformer's start, once": stage(queries_program(graphdef), tuple(parameters), repeats),
    }
    with_levels = stage(jax.jit(levels), (parameters, queries, tokens, *photo), repeats)
    total = stage(whole, (parameters, backbone_parameters, queries, *photo), repeats)
    stages["sampling and heads"] = without(with_levels, stages["pyramid"], stages["transformer"])
    stages["plane"] = without(total, with_levels, stages["backbone"])
    reconstructor = make_reconstructor(network)
    avatar = reconstructor(*case[1:5])
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        reconstructor(*case[1:5])
        seconds.append(time.perf_counter() - start)
    return avatar, {"stages": stages, "whole program": total, "seconds": min(seconds)}


def measure_level(case: Case, avatar: Avatar, lod: int, repeats: int, batch: int) -> dict[str, Any]:
    """Stages of a frame at a level, and frames per second by several protocols."""
    network, size = case.network, (case.network.config.model.image_size,) * 2
    graphdef, *parameters = split_model(network.model)
    person = make_person(network, avatar, lod, still_shoulders=False)
    params, camera = (jax.tree.map(lambda x: x[0], part) for part in (case.driving_params, case.driving_cameras))

    def head(parameters, person, params, camera):
        return pose_person(merge_model(graphdef, *parameters), person, params, camera, lod)

    def splat(gaussians, camera):
        return rasterize(gaussians, camera, size).features

    def refiner(parameters, features):
        return merge_model(graphdef, *parameters).refine(features[None])[0]

    gaussians = jax.jit(head)(parameters, person, params, camera)
    features = jax.jit(splat)(gaussians, camera)
    frame = frame_program(graphdef, lod, size, True)
    stages = {
        "head": stage(jax.jit(head), (parameters, person, params, camera), repeats),
        "splat": stage(jax.jit(splat), (gaussians, camera), repeats),
        "refiner": stage(jax.jit(refiner), (parameters, features), repeats),
        "frame": stage(frame, (parameters, person, params, camera, camera), repeats),
    }
    on_head, on_plane = count_gaussians(avatar, lod)
    players = {
        "refined": make_player(network, avatar, lod),
        "coarse": make_player(network, avatar, lod, refine=False),
        "refined, still shoulders": make_player(network, avatar, lod, still_shoulders=True),
    }
    rates = {name: queued_rate(player, case) for name, player in players.items()}
    return {
        "head_gaussians": on_head,
        "plane_gaussians": on_plane,
        "stages": stages,
        "frames_per_second": rates | {
            f"refined, {batch} drivers at once": batched_rate(players["refined"], case, batch),
            "refined, fetched": fetched_rate(players["refined"], case),
            "refined, paper's protocol": protocol_rate(splat, refiner, parameters, gaussians, case),
        },
    }


def stage(program: Callable, arguments: tuple, repeats: int) -> dict[str, float]:
    """Milliseconds of a jitted program, and its floor: operations, bytes moved, bytes of memory (XLA's counts)."""
    compiled = program.lower(*arguments).compile()
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()

    def run():
        return compiled(*arguments)

    if jax.default_backend() == "cpu":
        times = {"cpu_ms": least_cpu_ms(run, jax.block_until_ready, repeats), "wall_ms": least_wall_ms(run, repeats)}
    else:
        times = {"wall_ms": least_queued_ms(run, jax.block_until_ready, repeats)}
    return times | {
        "gflop": 1e-9 * max(cost.get("flops", 0.0), 0.0),
        "moved_mb": 1e-6 * max(cost.get("bytes accessed", 0.0), 0.0),
        "memory_mb": 1e-6 * (memory.temp_size_in_bytes + memory.output_size_in_bytes),
    }


def without(whole: dict[str, float], *parts: dict[str, float]) -> dict[str, float]:
    """What a program takes beyond its parts; memory, which parts share, is left out."""
    return {name: whole[name] - sum(part[name] for part in parts) for name in whole if name != "memory_mb"}


def least_wall_ms(run: Callable[[], object], repeats: int) -> float:
    """Wall milliseconds of a call, the least of some."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        spent.append(time.perf_counter() - start)
    return 1e3 * min(spent)


def frames_of(case: Case, count: int) -> list[tuple[HeadParams, Camera]]:
    """The driver's first frames, in host memory as a tracker gives them; from the start again where they are few."""
    driver = jax.tree.map(np.asarray, (case.driving_params, case.driving_cameras))
    total = driver[1].intrinsics.shape[0]
    return [jax.tree.map(lambda x, i=i: x[i % total], driver) for i in range(count)]


def queued_rate(player: Callable, case: Case) -> float:
    """Frames per second from head parameters to the picture on the device, no frame waiting for another."""
    frames = frames_of(case, QUEUED_FRAMES)
    jax.block_until_ready(player(*frames[0]))
    start = time.perf_counter()
    for frame in frames:
        picture = player(*frame)
    jax.block_until_ready(picture)
    return len(frames) / (time.perf_counter() - start)


def batched_rate(player: Callable, case: Case, batch: int) -> float:
    """Frames per second where every call plays a batch of drivers."""
    frames = jax.tree.map(lambda *x: np.stack(x), *frames_of(case, batch))
    play, calls = jax.jit(jax.vmap(player)), -(-QUEUED_FRAMES // batch)
    jax.block_until_ready(play(*frames))
    start = time.perf_counter()
    for _ in range(calls):
        pictures = play(*frames)
    jax.block_until_ready(pictures)
    return batch * calls / (time.perf_counter() - start)


def fetched_rate(player: Callable, case: Case) -> float:
    """Frames per second, true end to end: from head parameters to bytes in host memory, two frames under way."""
    shown = jax.jit(lambda *frame: (player(*frame).refined * 255.0 + 0.5).astype(jnp.uint8))
    frames = frames_of(case, QUEUED_FRAMES)
    jax.block_until_ready(shown(*frames[0]))
    start, queue = time.perf_counter(), []
    for frame in frames:
        queue.append(shown(*frame))
        if len(queue) > 2:
            np.asarray(queue.pop(0))
    for picture in queue:
        np.asarray(picture)
    return len(frames) / (time.perf_counter() - start)


def protocol_rate(splat: Callable, refiner: Callable, parameters: list, gaussians, case: Case) -> float:
    """Frames per second as the authors count them: the mean of every frame's own rate, after two frames to warm up.

    Their timer runs from the new positions to the refined picture: the head model is not in it. Each frame is waited
    for. Here a frame's positions are those of one pose; its camera is the driver's.
    """

    @jax.jit
    def draw(parameters, gaussians, means, camera):
        return refiner(parameters, splat(gaussians._replace(means=means), camera))

    rates = []
    for _, camera in frames_of(case, PROTOCOL_WARM_UPS + min(PROTOCOL_FRAMES, QUEUED_FRAMES)):
        start = time.perf_counter()
        jax.block_until_ready(draw(parameters, gaussians, gaussians.means, camera))
        rates.append(1.0 / (time.perf_counter() - start))
    return float(np.mean(rates[PROTOCOL_WARM_UPS:]))


def peak_memory_mb() -> float:
    """The most memory so far: of the device where it tells, else of this process."""
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return 1e-6 * stats["peak_bytes_in_use"]
    import resource  # not on every system

    return 1e-3 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
