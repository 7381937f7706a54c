"""What an avatar costs, stage by stage: its reconstruction from a photo, and a frame at every level of detail.

Beside each time stands the stage's floor: the operations and bytes of its compiled program, as XLA counts them (the
rasterizer's are not among them). On a CPU a stage has the process-CPU time of all threads, which other programs hardly
disturb, and the wall time, which on more than one core is less; on a GPU the time of queued calls.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from omg_jax.avatar import (
    Avatar,
    Network,
    as_bytes,
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
from omg_jax.benchmarks.clock import frame_rate, least_wall_ms, mean_frame_rate
from omg_jax.benchmarks.stages import grey_bust, random_model, stage, without
from omg_jax.config import Config
from omg_jax.geometry.camera import circle_camera
from omg_jax.head.load import Head
from omg_jax.head.model import zero_params
from omg_jax.memory import peak_memory
from omg_jax.models.dinov2 import CONFIGS, DinoV2
from omg_jax.models.omg import FrameModel, Source, build_model
from omg_jax.models.precision import compute_dtype
from omg_jax.models.state import merge_model, split_model
from omg_jax.types import Camera, HeadParams

PROTOCOL_FRAMES, PROTOCOL_WARM_UPS = 100, 2  # the authors' timer
QUEUED_FRAMES = 24
STAND_IN_TURN = 20.0  # degrees to either side


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
    matte, camera = jax.tree.map(jnp.asarray, grey_bust(size))
    params, frames = zero_params(head.model), PROTOCOL_FRAMES + PROTOCOL_WARM_UPS
    yaws = np.radians(STAND_IN_TURN) * np.sin(np.linspace(0.0, 2.0 * np.pi, frames))
    tiled = jax.tree.map(lambda x: jnp.broadcast_to(x, (frames, *x.shape)), (params, camera))
    cameras = circle_camera(tiled[1], yaws, np.zeros(frames))
    return Case(network, jnp.full((size, size, 3), 0.5), matte, params, camera, tiled[0], cameras)


def measure_avatar(
    case: Case, repeats: int = 5, batch: int = 4, lods: tuple[int, ...] | None = None, num_frames: int = PROTOCOL_FRAMES
) -> dict[str, Any]:
    """The whole benchmark of a case, as plain numbers; some minutes for the small preset on two cores.

    batch: drivers that are played in one call; lods: levels that are played, by default all; num_frames: of the paper's
    protocol.
    """
    config = case.network.config
    lods = range(config.model.num_levels + 1) if lods is None else lods
    avatar, reconstruction = measure_reconstruction(case, repeats)
    levels = {f"level {lod}": measure_level(case, avatar, lod, repeats, batch, num_frames) for lod in lods}
    return {
        "preset": config.name,
        "device": jax.devices()[0].device_kind,
        "precision": str(compute_dtype(config.precision)),
        "image_size": config.model.image_size,
        "reconstruction": reconstruction,
        "frames": levels,
        **peak_memory(),
    }


def measure_reconstruction(case: Case, repeats: int) -> tuple[Avatar, dict[str, Any]]:
    """(the avatar, its stages). Heads and plane are what the program takes longer with than without them."""
    network, model_config = case.network, case.network.config.model
    parts = model_config.parts
    graphdef, *parameters = split_model(network.model)
    backbone_graph, *backbone_parameters = split_model(network.backbone)
    lods = tuple(range(model_config.num_levels + 1))
    photo = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32)[None], case[1:5])
    image, matte, params, camera = photo
    image = image * matte[..., None]
    start = queries_program(graphdef)
    queries = start(*parameters)

    @jax.jit
    def backbone(parameters, image):
        return photo_tokens(merge_model(backbone_graph, *parameters), image, model_config.backbone_size)

    @jax.jit
    def pyramid(parameters, tokens, image):
        return merge_model(graphdef, *parameters).pyramid(tokens, image)

    @jax.jit
    def transformer(parameters, queries, tokens):
        return merge_model(graphdef, *parameters).transformer(tokens, queries)

    @jax.jit
    def levels(parameters, queries, tokens, image, matte, params, camera):
        source = Source(image, matte, tokens, params, camera)
        return merge_model(graphdef, *parameters).build(source, lods, queries).levels

    tokens = backbone(backbone_parameters, image)
    whole = build_program(graphdef, backbone_graph, model_config.backbone_size, lods, model_config.plane.capacity)
    stages = {"backbone": stage(backbone, (backbone_parameters, image), repeats)}
    if parts.local_features or parts.shoulder:
        stages["pyramid"] = stage(pyramid, (parameters, tokens, image), repeats)
    if parts.global_features:
        stages["transformer"] = stage(transformer, (parameters, queries, tokens[-1]), repeats)
        stages["transformer's start, once"] = stage(start, tuple(parameters), repeats)
    with_levels = stage(levels, (parameters, queries, tokens, image, *photo[1:]), repeats)
    total = stage(whole, (parameters, backbone_parameters, queries, *photo), repeats)
    # Where no vertex samples F_local, only the plane's Gaussians need the pyramid.
    before = ("pyramid",) * parts.local_features + ("transformer",) * parts.global_features
    stages["sampling and heads"] = without(with_levels, *(stages[name] for name in before))
    if parts.shoulder:
        also = ("pyramid",) * (not parts.local_features)
        stages["plane"] = without(total, with_levels, stages["backbone"], *(stages[name] for name in also))
    reconstructor = make_reconstructor(network)
    avatar = reconstructor(*case[1:5])
    seconds = 1e-3 * least_wall_ms(lambda: reconstructor(*case[1:5]), jax.block_until_ready, repeats)
    return avatar, {"stages": stages, "whole program": total, "seconds": seconds}


def measure_level(
    case: Case, avatar: Avatar, lod: int, repeats: int, batch: int, num_frames: int
) -> dict[str, Any]:
    """Stages of a frame at a level, and frames per second by several protocols."""
    network, size = case.network, (case.network.config.model.image_size,) * 2
    has_refiner = network.config.model.parts.refiner
    graphdef, *parameters = split_model(FrameModel(network.model, refine=has_refiner))
    person = make_person(network, avatar, lod, shoulders_follow=False)
    params, camera = (jax.tree.map(lambda x: x[0], part) for part in (case.driving_params, case.driving_cameras))

    @jax.jit
    def head(parameters, person, params, camera):
        return pose_person(merge_model(graphdef, *parameters), person, params, camera, lod)

    @jax.jit
    def splat(parameters, gaussians, camera):
        one = jax.tree.map(lambda x: x[None], (gaussians, camera))
        return merge_model(graphdef, *parameters).splat(*one, size).features[0]

    @jax.jit
    def refiner(parameters, features, photo):
        return merge_model(graphdef, *parameters).refine(features[None], photo[None])[0]

    @jax.jit
    def draw(parameters, gaussians, vertices, camera):
        """The paper's timed part: the head's new vertices go into the Gaussians, which are splatted and refined."""
        first = gaussians.means.shape[0] - vertices.shape[0]
        gaussians = gaussians._replace(means=gaussians.means.at[first:].set(vertices))
        return refiner(parameters, splat(parameters, gaussians, camera), person.photo)

    gaussians = head(parameters, person, params, camera)
    features = splat(parameters, gaussians, camera)
    frame = frame_program(graphdef, lod, size, has_refiner)
    stages = {
        "head": stage(head, (parameters, person, params, camera), repeats),
        "splat": stage(splat, (parameters, gaussians, camera), repeats),
    }
    if has_refiner:
        stages["refiner"] = stage(refiner, (parameters, features, person.photo), repeats)
    stages["frame"] = stage(frame, (parameters, person, params, camera, camera), repeats)
    on_head, on_plane = count_gaussians(avatar, lod)
    frames, first = frames_of(case, QUEUED_FRAMES), len(avatar.plane.opacities)
    name = "refined" if has_refiner else "coarse"
    player = make_player(network, avatar, lod, refine=has_refiner)
    players = {
        "coarse": make_player(network, avatar, lod, refine=False),
        name: player,
        f"{name}, shoulders follow": make_player(network, avatar, lod, refine=has_refiner, shoulders_follow=True),
    }

    def fetched(*frame):
        shown = as_bytes(player(*frame).refined)
        shown.copy_to_host_async()
        return shown

    play_batch = jax.jit(jax.vmap(frame, in_axes=(None, None, 0, 0, 0)))
    # The head model runs before the paper's timer starts: every frame's vertices are there.
    posed = [
        (parameters, gaussians, head(parameters, person, *given).means[first:], given[1])
        for given in frames_of(case, PROTOCOL_WARM_UPS + num_frames)
    ]
    jax.block_until_ready(posed)
    return {
        "head_gaussians": on_head,
        "plane_gaussians": on_plane,
        "stages": stages,
        "frames_per_second": {
            **{name: frame_rate(player, frames, jax.block_until_ready) for name, player in players.items()},
            f"{name}, {batch} drivers at once": batch * frame_rate(
                lambda params, camera: play_batch(parameters, person, params, camera, camera),
                [jax.tree.map(lambda *x: np.stack(x), *frames_of(case, batch))] * -(-QUEUED_FRAMES // batch),
                jax.block_until_ready,
            ),
            f"{name}, fetched": frame_rate(fetched, frames, np.asarray),
            f"{name}, paper's protocol": mean_frame_rate(draw, posed, jax.block_until_ready, PROTOCOL_WARM_UPS),
        },
    }


def frames_of(case: Case, count: int) -> list[tuple[HeadParams, Camera]]:
    """The driver's first frames, in host memory as a tracker gives them; from the start again where they are few."""
    driver = jax.tree.map(np.asarray, (case.driving_params, case.driving_cameras))
    total = driver[1].intrinsics.shape[0]
    return [jax.tree.map(lambda x, i=i: x[i % total], driver) for i in range(count)]
