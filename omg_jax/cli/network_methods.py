"""A network's levels of detail as methods of an evaluation."""

from collections.abc import Callable, Iterator

import jax
import numpy as np
from jaxtyping import Array, Float

from omg_jax.avatar import Avatar, Network, make_player, make_reconstructor
from omg_jax.cli.playback import play
from omg_jax.evaluation.method import Method
from omg_jax.evaluation.pair import Pair
from omg_jax.geometry.camera import scale_camera
from omg_jax.models.lookup import off_black
from omg_jax.tracking.motion import Motion
from omg_jax.types import Camera, HeadParams


def network_methods(network: Network, levels: tuple[int, ...], shoulders: tuple[str, ...]) -> dict[str, Method]:
    """Every level, the finest first, then its splatted colours without the refiner: "level 2, coarse".

    shoulders: "tracked", "still" or "follow" (see ``omg evaluate``); methods of all but the first bear its name. One
    avatar is made of each pair's photo and played by all of them; every level is compiled once. ValueError where there
    is no such level.
    """
    finest = network.config.model.num_levels
    if not levels or not set(levels) <= set(range(finest + 1)):
        raise ValueError(f"expected levels from 0 to {finest}, got {list(levels)}")
    avatar_of, order, methods = avatar_maker(network), sorted(set(levels), reverse=True), {}
    for place, how in enumerate(dict.fromkeys(shoulders)):
        suffix = f", shoulders {how}" if place else ""
        facts = {"kind": "network", "weights_sha256": network.weights_sha256, "shoulders": how}
        drawn = [(level, True) for level in order] + [(order[0], False)]
        for level, refine in drawn:
            name = f"level {level}{'' if refine else ', coarse'}{suffix}"
            methods[name] = Method(level_renderer(network, avatar_of, level, refine, how), facts)
    return methods


def level_renderer(
    network: Network, avatar_of: Callable[[Pair], Avatar], level: int, refine: bool, shoulders: str
) -> Callable[[Pair], Iterator[Float[np.ndarray, "h w 3"]]]:
    """Draws a pair's driver frames at a level, some of them queued."""

    def draw(pair: Pair) -> Iterator[Float[np.ndarray, "h w 3"]]:
        size = pair.source_image.shape[:2]
        follow = shoulders == "follow"
        player = make_player(network, avatar_of(pair), level, size, refine=refine, shoulders_follow=follow)
        head, driver = network.head, (pair.driver_params, pair.driver_camera)
        torso = pair.driver_torso if shoulders == "tracked" else None
        motion = Motion(*driver, size, 1.0, head.name, head.sha256, pair.name, torso)
        for frame in play(player, motion, range(len(pair.frame_numbers))):
            yield np.asarray(frame.refined)

    return draw


def avatar_maker(network: Network) -> Callable[[Pair], Avatar]:
    """Makes the avatar of a pair's photo, once for all methods that ask for it one after the other."""
    reconstruct, size = make_reconstructor(network), network.config.model.image_size
    latest: dict[str, Avatar] = {}

    def avatar_of(pair: Pair) -> Avatar:
        if pair.name not in latest:
            latest.clear()
            latest[pair.name] = reconstruct(*photo_of(pair, size))
        return latest[pair.name]

    return avatar_of


def photo_of(
    pair: Pair, size: int
) -> tuple[Float[Array, "size size 3"], Float[Array, "size size"], HeadParams, Camera]:
    """A pair's photo as a reconstructor takes it: not multiplied by its matte, which it does itself."""
    on_black = jax.image.resize(pair.source_image, (size, size, 3), "linear")
    matte = jax.image.resize(pair.source_matte, (size, size), "linear")
    image = off_black(on_black[None], matte[None])[0]
    return image, matte, pair.source_params, scale_camera(pair.source_camera, size / pair.source_image.shape[0])
