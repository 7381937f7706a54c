"""Shoulders that do not turn with the head: a rigid motion of what is below the neck, which fades out towards the head.

A tracked head's rotation is in its camera: played as it is, everything that the photo shows turns with the head, the
shoulders too. Here what lies below the neck moves as the driver's torso does or, where that is not known, keeps the
photo's orientation.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from omg_jax.geometry.rotations import axis_angle_to_quat, matrix_to_axis_angle, multiply_quats, rotate_by_quat
from omg_jax.head.model import JOINT_NAMES, HeadModel, joint_positions
from omg_jax.types import Camera, Gaussians, Torso

BLEND_SHARE = 0.35  # of the way from the neck joint down to the mesh's rim: where the shoulders begin
SIDE_SLOPE = 0.5  # by which their upper edge rises beside the head


class Shoulders(NamedTuple):
    """What moves with the torso, and about what.

    shares: of each Gaussian, 1 where it belongs to the torso, 0 where it moves with the head; pivot: the neck's joint,
    which they turn about (world units); photo_rotation: of the photo's camera.
    """

    shares: Float[Array, " n"]
    pivot: Float[Array, "3"]
    photo_rotation: Float[Array, "3 3"]


def find_shoulders(
    head: HeadModel, points: Float[Array, "n 3"], jaw_weights: Float[Array, " n"], photo_camera: Camera
) -> Shoulders:
    """The shoulders among a person's Gaussians: by height, so that neighbours move alike, but without the chin.

    Height is the picture's, as if the torso stood upright in the photo: shoulders stay level where a head is tilted.
    What lies farther to the side than the head is wide is lower by SIDE_SLOPE of the rest: a turn about the neck moves
    it far, and where shares change much from row to row it would tear them apart.

    head: the person's, at rest; points: the Gaussians' means in the photo's pose; jaw_weights: how far each hangs on
    the jaw's joint.
    """
    pivot = joint_positions(head)[JOINT_NAMES.index("neck")]
    half_width, rim = jnp.max(jnp.abs(head.template[:, 0])), jnp.min(head.template[:, 1])
    right = photo_camera.world_to_camera[0, :3]
    # The horizon in the plane of the face, whose nod it leaves alone; none where the photo shows an exact profile.
    x, y = right[:2] / jnp.maximum(jnp.linalg.norm(right[:2]), 1e-6)
    offsets = points - pivot
    down, side = _matmul(offsets[:, :2], jnp.stack([y, -x])), jnp.abs(_matmul(offsets, right))
    lowered = down + SIDE_SLOPE * jnp.maximum(side - half_width, 0.0)
    share = jnp.clip(lowered / (BLEND_SHARE * (pivot[1] - rim)), 0.0, 1.0)
    smooth = share * share * (3.0 - 2.0 * share)
    return Shoulders(smooth * (1.0 - jaw_weights), pivot, photo_camera.world_to_camera[:3, :3])


def place_shoulders(
    gaussians: Gaussians, shoulders: Shoulders, camera: Camera, torso: Torso | None = None
) -> Gaussians:
    """The Gaussians with their shoulders where the torso is, under the camera of a driven head.

    In a torso's frame of reference the shoulders have the photo's orientation and the neck's joint is where the driven
    head has it; from there they move with the torso. Without one each frame is its own reference. Every Gaussian takes
    its share of the turn about the joint, and of the joint's way.
    """
    driven = camera.world_to_camera
    torso = Torso(jnp.eye(4), driven) if torso is None else torso
    joint = _transform(torso.motion, _transform(torso.reference, shoulders.pivot))
    shift = _matmul(driven[:3, :3].T, joint - driven[:3, 3]) - shoulders.pivot
    back = _matmul(_matmul(driven[:3, :3].T, torso.motion[:3, :3]), shoulders.photo_rotation)
    turns = axis_angle_to_quat(shoulders.shares[:, None] * matrix_to_axis_angle(back))
    means = shoulders.pivot + rotate_by_quat(turns, gaussians.means - shoulders.pivot)
    means = means + shoulders.shares[:, None] * shift
    return gaussians._replace(means=means, quats=multiply_quats(turns, gaussians.quats))


def _transform(rigid: Float[Array, "4 4"], point: Float[Array, "3"]) -> Float[Array, "3"]:
    return _matmul(rigid[:3, :3], point) + rigid[:3, 3]


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
