"""Pinhole cameras: projection, cropping, scaling.

Pixel coordinates count from the image's corner: pixel (0, 0) has its centre at (0.5, 0.5).
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.types import Camera

# The paper's camera: focal length over half the image side (supplementary; a field of view of 9.5 degrees).
PORTRAIT_FOCAL = 12.0
# World axes in the camera's, where a head looks straight into it: x right, y up, z towards the camera.
FACING = (1.0, -1.0, -1.0)
# Depths below this are raised to it before the division, so that points behind the camera project to something finite.
MIN_DEPTH = 1e-4


def portrait_intrinsics(image_size: tuple[int, int], focal: ArrayLike = PORTRAIT_FOCAL) -> Float[Array, "3 3"]:
    """Intrinsics for an image of (height, width) pixels; without a focal length those of the paper's camera.

    focal: the focal length over half the shorter side. The principal point is the image's centre.
    """
    height, width = image_size
    focal = focal * min(height, width) / 2.0
    return jnp.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]], dtype=jnp.float32)


def world_to_camera_points(camera: Camera, points: Float[Array, "*#b n 3"]) -> Float[Array, "*b n 3"]:
    """Points in camera axes (x right, y down, z forward), world units."""
    rotation, translation = camera.world_to_camera[..., :3, :3], camera.world_to_camera[..., :3, 3]
    # Full float32: at a depth of 10 units a short mantissa would cost several pixels.
    rotated = jnp.matmul(points, jnp.swapaxes(rotation, -1, -2), precision=jax.lax.Precision.HIGHEST)
    return rotated + translation[..., None, :]


def world_to_pixels(
    camera: Camera, points: Float[Array, "*#b n 3"]
) -> tuple[Float[Array, "*b n 2"], Float[Array, "*b n"]]:
    """Projects points: pixel coordinates (x, y) and camera depth z in world units.

    Pixels of points with z below ``MIN_DEPTH`` are finite but meaningless; test the depth.
    """
    in_camera = world_to_camera_points(camera, points)
    focal, centre = focal_and_centre(camera.intrinsics)
    depth = in_camera[..., 2]
    pixels = in_camera[..., :2] / jnp.maximum(depth, MIN_DEPTH)[..., None] * focal[..., None, :] + centre[..., None, :]
    return pixels, depth


def focal_and_centre(intrinsics: Float[Array, "*b 3 3"]) -> tuple[Float[Array, "*b 2"], Float[Array, "*b 2"]]:
    """Focal lengths (fx, fy) and principal point (cx, cy), in pixels."""
    return jnp.stack([intrinsics[..., 0, 0], intrinsics[..., 1, 1]], axis=-1), intrinsics[..., :2, 2]


def crop_camera(camera: Camera, top: ArrayLike, left: ArrayLike) -> Camera:
    """The camera of a crop whose corner lies at row ``top`` and column ``left``, in pixels; negative ones pad."""
    intrinsics = jnp.asarray(camera.intrinsics)
    intrinsics = intrinsics.at[..., 0, 2].add(-jnp.asarray(left)).at[..., 1, 2].add(-jnp.asarray(top))
    return camera._replace(intrinsics=intrinsics)


def scale_camera(camera: Camera, factor: ArrayLike) -> Camera:
    """The camera of the image resized by ``factor`` (2 doubles its side)."""
    intrinsics = jnp.asarray(camera.intrinsics)
    return camera._replace(intrinsics=intrinsics.at[..., :2, :].multiply(jnp.asarray(factor)[..., None, None]))


def zoom_camera(camera: Camera, factor: ArrayLike) -> Camera:
    """The camera with its focal length times ``factor``: the same picture size, the principal point where it was."""
    intrinsics = jnp.asarray(camera.intrinsics)
    scale = jnp.asarray(factor)[..., None, None]
    return camera._replace(intrinsics=intrinsics.at[..., :2, :2].multiply(scale))


def circle_camera(camera: Camera, yaw: ArrayLike, pitch: ArrayLike) -> Camera:
    """The camera moved on a sphere around the world's origin, where a head is, always looking the same way at it.

    yaw moves it to the picture's right, which is the left of a subject who faces the camera, pitch up; radians, over
    any batch dimensions. The axes are the picture's, not the world's: those turn with a tracked head, and what stands
    still in the picture would roll.
    """
    yaw, pitch = jnp.broadcast_arrays(jnp.asarray(yaw, jnp.float32), jnp.asarray(pitch, jnp.float32))
    zero = jnp.zeros_like(yaw)
    up_down = axis_angle_to_matrix(jnp.stack([pitch, zero, zero], axis=-1))
    left_right = axis_angle_to_matrix(jnp.stack([zero, -yaw, zero], axis=-1))
    turn = jnp.matmul(up_down, left_right, precision=jax.lax.Precision.HIGHEST)
    facing = jnp.asarray(FACING)
    in_picture = facing[:, None] * turn * facing  # of the same turn, in camera axes
    pose = jnp.asarray(camera.world_to_camera)
    rotation = jnp.matmul(in_picture, pose[..., :3, :3], precision=jax.lax.Precision.HIGHEST)
    pose = jnp.broadcast_to(pose, (*rotation.shape[:-2], 4, 4))
    return camera._replace(world_to_camera=pose.at[..., :3, :3].set(rotation))


def camera_forward(camera: Camera) -> Float[Array, "*b 3"]:
    """World direction of the view axis, of unit length."""
    return camera.world_to_camera[..., 2, :3]


def camera_centre(camera: Camera) -> Float[Array, "*b 3"]:
    """World position of the camera."""
    rotation, translation = camera.world_to_camera[..., :3, :3], camera.world_to_camera[..., :3, 3]
    return -jnp.einsum("...ji,...j->...i", rotation, translation, precision=jax.lax.Precision.HIGHEST)
