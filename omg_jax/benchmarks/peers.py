"""Other rasterizers that are measured beside ours, where they are installed. None is a dependency."""

import functools
import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import jax

from omg_jax.benchmarks.contestants import Contestant, Scene


class Peer(NamedTuple):
    """A package on PyPI: the modules that it needs, its contestants, the only channel count it draws (None: any)."""

    package: str
    modules: tuple[str, ...]
    contestants: tuple[Callable[[Scene], Contestant], ...]
    only_channels: int | None


def _gsplat(scene: Scene, *, packed: bool) -> Contestant:
    from omg_jax.benchmarks.gsplat_peer import gsplat_contestant  # not before it is asked for: it imports torch

    return gsplat_contestant(scene, packed=packed)


def _splax(scene: Scene) -> Contestant:
    from omg_jax.benchmarks.splax_peer import splax_contestant  # not before it is asked for: it starts Warp

    return splax_contestant(scene)


PEERS = (
    Peer("gsplat", ("torch", "gsplat"), tuple(functools.partial(_gsplat, packed=p) for p in (False, True)), None),
    Peer("splax", ("warp", "splax"), (_splax,), 3),
)


def absence(peer: Peer) -> str | None:
    """Why a peer cannot be measured here; None where it can."""
    missing = [name for name in peer.modules if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed: pip install {peer.package}"
    if jax.default_backend() != "gpu":
        return "it needs an NVIDIA GPU, and JAX finds none"
    return None
