"""Contestants: one rasterizer and one scene, ready to be timed; ours, and the specification in plain JAX."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from omg_jax.benchmarks.cost import gpu_workspace_bytes
from omg_jax.splat import rasterize, rasterize_reference
from omg_jax.splat.reference import TILE_SIZE
from omg_jax.types import Camera, Gaussians

# Pictures are equal if few pixels differ by more: where rounding decides a threshold (an alpha of 1/255, a
# transmittance of 1e-4), two rasterizers of the same rules differ, by up to 1/255 of a feature.
PIXEL_DIFFERENCE = 1e-3
UNEQUAL_PIXELS = 1e-3
MAX_REFERENCE_PAIRS = 1e7  # pixels x Gaussians; the plain specification visits them all, a second of CPU time

Render = Callable[[Gaussians, Camera], tuple[jax.Array, jax.Array]]  # -> (features, alpha)


class Scene(NamedTuple):
    """What every contestant gets: batched Gaussians and cameras, the picture's side, cotangents of what it returns."""

    gaussians: Gaussians
    camera: Camera
    size: int
    cotangents: tuple[Float[Array, "b h w c"], Float[Array, "b h w"]]


class Contestant(NamedTuple):
    """Calls to be timed; their results are there once wait has returned. images are (features, alpha).

    both is a forward and a backward pass in one call. Memory, in bytes, is what a call needs beyond its arguments,
    results included; None where it is not known.
    """

    name: str
    images: tuple[Float[np.ndarray, "b h w c"], Float[np.ndarray, "b h w"]]
    forward: Callable[[], object]
    backward: Callable[[], object]
    both: Callable[[], object]
    wait: Callable[[object], object]
    forward_memory: float | None
    both_memory: float | None


def make_scene(gaussians: Gaussians, camera: Camera, size: int) -> Scene:
    """A scene with random cotangents."""
    batch, _, channels = gaussians.features.shape
    keys = jax.random.split(jax.random.key(0))
    shapes = (batch, size, size, channels), (batch, size, size)
    cotangents = tuple(jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True))
    return Scene(gaussians, camera, size, cotangents)


def ours(scene: Scene, *, deterministic: bool = True) -> Contestant:
    """This package's rasterizer. The backward pass includes projection and binning, which it makes again.

    Memory holds a GPU's scratch memory, but not a CPU's arenas, which are kept from call to call.
    """

    def render(gaussians, camera):
        output = rasterize(gaussians, camera, (scene.size, scene.size), deterministic=deterministic)
        return output.features, output.alpha

    contestant = compiled("omg_jax" if deterministic else "omg_jax, float sums", render, scene)
    if jax.default_backend() == "cpu":
        return contestant
    batch, num_gaussians, channels = scene.gaussians.features.shape
    num_tiles = batch * (-(-scene.size // TILE_SIZE)) ** 2
    forward, backward = gpu_workspace_bytes(
        batch * num_gaussians, channels, num_tiles, batch, deterministic=deterministic
    )
    return contestant._replace(
        forward_memory=contestant.forward_memory + forward, both_memory=contestant.both_memory + backward
    )


def reference(scene: Scene) -> Contestant:
    """The specification in plain JAX, differentiated by JAX."""

    def render(gaussians, camera):
        with jax.default_matmul_precision("highest"):  # a GPU's fast matrix products would move the Gaussians
            output = rasterize_reference(gaussians, camera, (scene.size, scene.size))
        return output.features, output.alpha

    return compiled("plain JAX", render, scene)


def reference_is_feasible(scene: Scene) -> bool:
    """Whether the specification draws this scene in seconds."""
    return scene.size**2 * scene.gaussians.opacities.size <= MAX_REFERENCE_PAIRS


def compiled(name: str, render: Render, scene: Scene) -> Contestant:
    """A contestant from a JAX function."""
    gaussians, camera, _, cotangents = scene

    def pull(pull_back, cotangents):
        return pull_back(cotangents)

    def render_and_pull(gaussians, camera, cotangents):
        images, pull_back = jax.vjp(lambda g: render(g, camera), gaussians)
        return images, pull_back(cotangents)

    images, pull_back = jax.vjp(functools.partial(jax.jit(render), camera=camera), gaussians)
    forward = jax.jit(render).lower(gaussians, camera).compile()
    backward = jax.jit(pull).lower(pull_back, cotangents).compile()
    both = jax.jit(render_and_pull).lower(gaussians, camera, cotangents).compile()
    return Contestant(
        name=name,
        images=tuple(np.asarray(image) for image in images),
        forward=lambda: forward(gaussians, camera),
        backward=lambda: backward(pull_back, cotangents),
        both=lambda: both(gaussians, camera, cotangents),
        wait=jax.block_until_ready,
        forward_memory=program_memory(forward),
        both_memory=program_memory(both),
    )


def program_memory(program) -> float:
    """Bytes of results and temporary arrays of a compiled program; not what its custom calls take while they run."""
    analysis = program.memory_analysis()
    return float(analysis.output_size_in_bytes + analysis.temp_size_in_bytes)


def difference(contestant: Contestant, expected: Contestant) -> tuple[float, float]:
    """(largest absolute difference of any feature or alpha, share of pixels that differ by more than rounding)."""
    features, alpha = (np.abs(a - b) for a, b in zip(contestant.images, expected.images, strict=True))
    worst = np.maximum(features.max(axis=-1), alpha)
    return float(worst.max()), float((worst > PIXEL_DIFFERENCE).mean())
