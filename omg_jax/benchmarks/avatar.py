"""How fast an avatar plays, with a stand-in that needs no photo and no backbone."""

import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from omg_jax.avatar import Frame, Network, most_opaque
from omg_jax.avatar_file import FORMAT_VERSION, Avatar, AvatarMeta
from omg_jax.benchmarks.clock import least_queued_ms
from omg_jax.benchmarks.scenes import Cloud, balls, head_surface, portrait_camera, shoulders, with_features
from omg_jax.types import Camera, Gaussians, HeadGaussians, HeadParams


def stand_in_avatar(network: Network) -> Avatar:
    """An avatar of the mean head with random features and shoulders, as many Gaussians and bytes as a real one.

    The network must have the built-in head, and midpoint subdivision.
    """
    config = network.config.model
    levels = []
    for level in range(config.num_levels + 1):
        vertices, spacing = head_surface(level)
        levels.append(HeadGaussians(*numpy_gaussians(balls(vertices, spacing), config.gaussians.num_channels)[1:]))
    plane = jax.tree.map(lambda x: x[None], numpy_gaussians(shoulders(), config.gaussians.num_channels))
    plane = jax.tree.map(lambda x: np.asarray(x[0]), most_opaque(plane, config.plane.capacity))
    meta = AvatarMeta(
        format_version=FORMAT_VERSION,
        head_name=network.head.name,
        head_sha256=network.head.sha256,
        preset=network.config.name,
        compat=config.compat,
        weights_sha256=network.weights_sha256,
    )
    return Avatar(
        levels=tuple(levels),
        plane=plane,
        shape_params=np.zeros(network.head.model.shape_basis.shape[-1], np.float32),
        vertex_offsets=np.zeros(network.head.model.template.shape, np.float32),
        source_camera=jax.tree.map(np.asarray, portrait_camera(config.image_size)),
        meta=meta,
    )


def numpy_gaussians(cloud: Cloud, num_channels: int) -> Gaussians:
    """A cloud with random features, in numpy arrays."""
    return jax.tree.map(np.asarray, with_features(cloud, num_channels))


def frames_per_second(
    player: Callable[[HeadParams, Camera], Frame], frames: Sequence[tuple[HeadParams, Camera]], repeats: int
) -> dict[str, float]:
    """Frames per second from head parameters to a picture on the device.

    one_at_a_time: each frame is waited for, the median; queued: frames follow one another without waiting.
    """
    jax.block_until_ready(player(*frames[0]))
    spent = []
    for frame in frames:
        start = time.perf_counter()
        jax.block_until_ready(player(*frame))
        spent.append(time.perf_counter() - start)
    queued = least_queued_ms(lambda: player(*frames[0]), jax.block_until_ready, repeats)
    return {"one_at_a_time": 1.0 / float(np.median(spent)), "queued": 1e3 / queued}
