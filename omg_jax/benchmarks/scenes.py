"""The benchmark's scenes: Gaussians that need no trained network, seen through the portrait camera."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from omg_jax.geometry.camera import PORTRAIT_FOCAL, portrait_intrinsics
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.geometry.subdivision import build_subdivision, subdivide_to_level
from omg_jax.head.load import load_head
from omg_jax.models.omg import vertex_spacing
from omg_jax.types import Camera, Gaussians

DISTANCE = 10.0  # world units from the camera to the origin, which the head surrounds
VIEW_WIDTH = 2.0 * DISTANCE / PORTRAIT_FOCAL  # world units that a square picture shows at the origin
SHOULDER_COLUMNS = 189  # and a quarter as many rows: 8,883 Gaussians in the bottom quarter of the picture
MAX_TURN = 25.0  # degrees between the first view of a batch and the last
# Below the 0.99 where alpha is clamped: rasterizers clamp at different values, and pictures are compared.
OPACITIES = (0.5, 0.98)


class Cloud(NamedTuple):
    """A scene before its features: Gaussians by their geometry, without their turn."""

    means: Float[np.ndarray, "n 3"]
    scales: Float[np.ndarray, "n 3"]
    opacities: Float[np.ndarray, " n"]


def avatar(level: int) -> Cloud:
    """The built-in head at a level of detail, as wide as its vertices' spacing, over shoulders."""
    return Cloud(*(np.concatenate(pair) for pair in zip(shoulders(), balls(*head_surface(level)), strict=True)))


@functools.cache
def head_surface(level: int) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """(vertices, mean length of the edges at each) of the built-in head at rest, in world units."""
    model = load_head("arkit").model
    template = np.asarray(model.template)
    subdivision = build_subdivision(np.asarray(model.faces), len(template), level)
    vertices = np.asarray(subdivide_to_level(subdivision, model.template, level), np.float32)
    return vertices, vertex_spacing(vertices, subdivision.faces[level])


def shoulders() -> Cloud:
    """A grid over the bottom quarter of the picture, on the plane through the origin that faces the camera."""
    step = VIEW_WIDTH / SHOULDER_COLUMNS
    x = (np.arange(SHOULDER_COLUMNS) + 0.5) * step - VIEW_WIDTH / 2
    y = (np.arange(SHOULDER_COLUMNS // 4) + 0.5) * step - VIEW_WIDTH / 2
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return balls(np.pad(grid, ((0, 0), (0, 1))), np.full(len(grid), step))


def ellipsoid(num_gaussians: int) -> Cloud:
    """Gaussians spread evenly over an ellipsoid as large as a head, as wide as their spacing."""
    index = np.arange(num_gaussians) + 0.5
    height, angle = 1 - 2 * index / num_gaussians, index * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    radii = np.asarray([0.48, 0.68, 0.58])
    means = radii * np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], axis=-1)
    spacing = np.sqrt(4 * np.pi * np.mean(radii**2) / num_gaussians)
    return balls(means, np.full(num_gaussians, spacing))


def random_cloud(num_gaussians: int) -> Cloud:
    """Long and flat Gaussians in a box that fills the picture; their median standard deviation is 0.01 world units."""
    rng = np.random.default_rng(1)
    means = rng.uniform(-VIEW_WIDTH / 2, VIEW_WIDTH / 2, (num_gaussians, 3))
    scales = 0.01 * np.exp(0.7 * rng.normal(size=(num_gaussians, 3)))
    return Cloud(means, scales, rng.uniform(0.05, OPACITIES[1], num_gaussians))


def few_huge(num_gaussians: int) -> Cloud:
    """Faint Gaussians, each a third as wide as the picture: every tile sees nearly all of them."""
    rng = np.random.default_rng(2)
    means = rng.uniform(-VIEW_WIDTH / 2, VIEW_WIDTH / 2, (num_gaussians, 3))
    return Cloud(means, np.full((num_gaussians, 3), VIEW_WIDTH / 6), rng.uniform(0.02, 0.2, num_gaussians))


def balls(means: Float[np.ndarray, "n 3"], radii: Float[np.ndarray, " n"]) -> Cloud:
    """Round Gaussians with random opacities."""
    opacities = np.random.default_rng(0).uniform(*OPACITIES, len(means))
    return Cloud(means, np.repeat(radii[:, None], 3, axis=1), opacities)


SCENES: dict[str, Callable[[], Cloud]] = {
    "avatar-0": functools.partial(avatar, 0),
    "avatar-1": functools.partial(avatar, 1),
    "avatar-2": functools.partial(avatar, 2),
    "ellipsoid-1k": functools.partial(ellipsoid, 1_000),
    "ellipsoid-5k": functools.partial(ellipsoid, 5_000),
    "ellipsoid-29k": functools.partial(ellipsoid, 29_000),
    "ellipsoid-89k": functools.partial(ellipsoid, 89_000),
    "cloud": functools.partial(random_cloud, 100_000),
    "huge": functools.partial(few_huge, 200),
}


class Case(NamedTuple):
    """What one measurement renders: a scene of SCENES, in square pictures, with random features."""

    scene: str
    size: int = 512  # pixels, square
    channels: int = 32
    batch: int = 1  # views, each with Gaussians of its own


def build_case(case: Case) -> tuple[Gaussians, Camera]:
    """The case's Gaussians and cameras, with one leading batch dimension. Views of a batch differ in their camera.

    Raises:
        ValueError: no such scene, or a size, channel or view count below 1.
    """
    if case.scene not in SCENES:
        raise ValueError(f"no scene {case.scene!r}; expected one of {', '.join(SCENES)}")
    if min(case.size, case.channels, case.batch) < 1:
        raise ValueError(f"size, channels and batch must be at least 1, got {case}")
    gaussians = with_features(SCENES[case.scene](), case.channels)
    gaussians = jax.tree.map(lambda x: jnp.repeat(x[None], case.batch, axis=0), gaussians)
    angles = np.linspace(0.0, MAX_TURN, case.batch)
    cameras = [portrait_camera(case.size, float(degrees)) for degrees in angles]
    return gaussians, Camera(*(jnp.stack(arrays) for arrays in zip(*cameras, strict=True)))


def with_features(cloud: Cloud, num_channels: int) -> Gaussians:
    """A cloud's Gaussians, turned at random, with random features in [0, 1]."""
    rng, count = np.random.default_rng(3), len(cloud.means)
    quats = rng.normal(size=(count, 4))
    quats /= np.linalg.norm(quats, axis=-1, keepdims=True)
    features = rng.uniform(size=(count, num_channels))
    arrays = Gaussians(cloud.means, quats, cloud.scales, cloud.opacities, features)
    return Gaussians(*(jnp.asarray(array, jnp.float32) for array in arrays))


def portrait_camera(size: int, degrees: float = 0.0) -> Camera:
    """The portrait camera in front of the origin, after the world turned about its vertical axis by some degrees."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[2, 3] = DISTANCE
    turn = axis_angle_to_matrix(jnp.asarray([0.0, np.radians(degrees), 0.0], jnp.float32))
    pose[:3, :3] = pose[:3, :3] @ np.asarray(turn)
    return Camera(jnp.asarray(pose, jnp.float32), portrait_intrinsics((size, size)))
