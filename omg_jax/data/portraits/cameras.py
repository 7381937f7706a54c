"""Cameras of synthetic clips: the paper's camera, with the head framed as the tracker frames it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.geometry.rotations import euler_to_matrix
from omg_jax.types import Camera, Torso

# The picture's side over the root of the area of the projected skull's box, as in the tracker's crop, and its range.
CROP_FACTOR = (1.58, 1.80)
# Where the head stands before the crop is fitted; world units.
START_DISTANCE = 9.2
# Head axes (y up, z to the front) in camera axes (y down, z forward), for a head that looks into the camera.
HEAD_TO_CAMERA = np.diag([1.0, -1.0, -1.0])


def project(camera: Camera, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """(x, y) in pixels and camera depth of points, in numpy."""
    matrix, intrinsics = camera.world_to_camera, camera.intrinsics
    projected = (points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    projected[:, :2] = projected[:, :2] / projected[:, 2:] * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]
    return projected


def fit_cameras(
    rng: np.random.Generator, skull: Float[np.ndarray, "n 3"], angles: Float[np.ndarray, "t 3"], size: int
) -> Camera:
    """Cameras of a clip: the head's rigid pose, moved so that the clip's crop is the tracker's.

    skull are points of the head without neck and hair, in its frame; angles are (yaw, pitch, roll) per frame, radians.
    The crop is a square around the median box of the projected skull, CROP_FACTOR times the root of the box's area.
    """
    rotations = np.asarray(euler_to_matrix(jnp.asarray(angles, jnp.float32))) @ HEAD_TO_CAMERA
    intrinsics = np.asarray(portrait_intrinsics((size, size)))
    factor = rng.uniform(*CROP_FACTOR)
    offset = np.array([0.0, 0.0, START_DISTANCE])
    for _ in range(4):
        points = np.einsum("tij,nj->tni", rotations, skull) + offset
        pixels = points[..., :2] / points[..., 2:] * intrinsics[0, 0]
        low, high = np.median(pixels.min(axis=1), axis=0), np.median(pixels.max(axis=1), axis=0)
        offset[2] *= factor * np.sqrt(np.prod(high - low)) / size
        offset[:2] -= 0.5 * (low + high) * offset[2] / intrinsics[0, 0]
    offset[:2] += rng.normal(0.0, 0.02, 2)
    matrices = np.broadcast_to(np.eye(4), (len(angles), 4, 4)).astype(np.float32).copy()
    matrices[:, :3, :3] = rotations
    matrices[:, :3, 3] = offset + rng.normal(0.0, [0.04, 0.03, 0.15], (len(angles), 3))
    return Camera(matrices, np.broadcast_to(intrinsics, (len(angles), 3, 3)).copy())


def turning_torso(camera: Camera) -> Torso:
    """The torso of a clip in which a person turns as a whole before the camera; its reference is the first frame."""
    poses = camera.world_to_camera
    return Torso((poses @ np.linalg.inv(poses[0])).astype(np.float32), np.broadcast_to(poses[0], poses.shape).copy())
