"""LPIPS of many pictures against targets that several methods share: in batches of one size, compiled once."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from omg_jax.assets.registry import asset_path, environment_variable, file_sha256
from omg_jax.evaluation.squeeze import load_squeeze, squeeze_features
from omg_jax.losses.perceptual import PerceptualParams, feature_distance, lpips_features
from omg_jax.losses.perceptual_weights import load_perceptual

BATCH = 4  # pictures at a time; on a CPU more are no faster, and each takes memory
SQUEEZE = "lpips-squeeze"


class _Net(NamedTuple):
    """title: for people. keeps: whether the targets' features are kept: AlexNet's take 11 MB of a picture of 512 x 512,
    VGG16's 128 MB, SqueezeNet's 36 MB."""

    title: str
    path: Callable[[], Path]
    load: Callable[[Path], PerceptualParams]
    features: Callable[[PerceptualParams, Array], tuple[Array, ...]]
    keeps: bool


def _squeeze_path() -> Path:
    variable = environment_variable(SQUEEZE)
    if variable not in os.environ:
        raise ValueError(
            f"LPIPS by SqueezeNet needs weights that no package holds: name their file in {variable}; "
            "omg_jax/evaluation/squeeze.py tells how to make it"
        )
    return Path(os.environ[variable])


NETS = {
    "alex": _Net("AlexNet", lambda: asset_path("lpips-alexnet"), load_perceptual, lpips_features, True),
    "vgg": _Net("VGG16", lambda: asset_path("lpips-vgg16"), load_perceptual, lpips_features, False),
    "squeeze": _Net("SqueezeNet 1.1", _squeeze_path, load_squeeze, squeeze_features, False),
}


class Lpips:
    """LPIPS v0.1 (Zhang et al. 2018) by one of NETS. Less is better; 0 for identical pictures.

    Features of unit length over channels, their squared differences weighted by channel, averaged over the picture,
    summed over the network's taps. back_end says which weights compute it. ValueError where they cannot be had.
    """

    def __init__(self, net: str):
        title, path, load, features, self._keeps = NETS[net]
        self.back_end = f"LPIPS v0.1 with {title}, weights of sha256 {file_sha256(path())}"
        params = load(path())
        self._features = _compiled(partial(features, params))
        self._distance = _compiled(partial(feature_distance, params))

    def prepare(self, targets: Float[np.ndarray, "t h w 3"]) -> list:
        """What `distances` needs of the targets, batch by batch."""
        return [self._features(batch) if self._keeps else batch for batch in _batches(targets)]

    def distances(self, prepared: list, pictures: Float[np.ndarray, "t h w 3"]) -> list[Array]:
        """The distance of each picture to its target, batch by batch; `joined` makes numbers of them.

        Returns before they are computed, so that other work can go on meanwhile.
        """
        theirs = (batch if self._keeps else self._features(batch) for batch in prepared)
        ours = (self._features(batch) for batch in _batches(pictures))
        return [self._distance(*both) for both in zip(theirs, ours, strict=True)]


def joined(batches: list[Array], count: int) -> list[float]:
    """The numbers of `count` pictures, from batches of which the last may hold more."""
    return np.concatenate(batches)[:count].tolist()


def _compiled(function: Callable) -> Callable:
    """The function, compiled; on a GPU too, its products keep all of float32's digits."""

    def exact(*arguments):
        with jax.default_matmul_precision("highest"):
            return function(*arguments)

    return jax.jit(exact)


def _batches(pictures: Float[np.ndarray, "t h w 3"]) -> Iterator[Float[Array, "b h w 3"]]:
    """Pictures by fours; the last one fills up the last batch."""
    for start in range(0, len(pictures), BATCH):
        rows = np.minimum(np.arange(start, start + BATCH), len(pictures) - 1)
        yield jnp.asarray(pictures[rows], jnp.float32)
