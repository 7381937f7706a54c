"""Gaussians, cameras and cotangents for the rasterizer's tests."""

import jax.numpy as jnp
import numpy as np

from omg_jax.types import Camera, Gaussians

DISTANCE = 10.0  # of the camera from the origin, world units


def portrait_camera(height: int, width: int) -> Camera:
    """The portrait camera in front of the origin; the shorter side of the image sees 1.67 world units there."""
    world_to_camera = np.diag([1.0, -1.0, -1.0, 1.0])
    world_to_camera[2, 3] = DISTANCE
    focal = 6.0 * min(height, width)
    intrinsics = [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
    return Camera(jnp.asarray(world_to_camera, jnp.float32), jnp.asarray(intrinsics, jnp.float32))


def cloud(num_gaussians: int, num_channels: int, seed: int = 0, scale: float = 0.05) -> Gaussians:
    """Gaussians of random shape in a box that the portrait camera sees; scale is the median standard deviation."""
    rng = np.random.default_rng(seed)
    arrays = Gaussians(
        means=rng.uniform(-0.9, 0.9, (num_gaussians, 3)),
        quats=rng.normal(size=(num_gaussians, 4)),
        scales=scale * np.exp(0.5 * rng.normal(size=(num_gaussians, 3))),
        opacities=rng.uniform(0.05, 1.0, num_gaussians),
        features=rng.uniform(size=(num_gaussians, num_channels)),
    )
    return Gaussians(*(jnp.asarray(a, jnp.float32) for a in arrays))


def random_cotangents(height: int, width: int, num_channels: int, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Normal cotangents for features, alpha and depth, float32."""
    rng = np.random.default_rng(seed)
    shapes = (height, width, num_channels), (height, width), (height, width)
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)


def dot(output, cotangents):
    """The scalar whose gradient the cotangents are."""
    return sum(
        (image * c).sum() for image, c in zip((output.features, output.alpha, output.depth), cotangents, strict=True)
    )
