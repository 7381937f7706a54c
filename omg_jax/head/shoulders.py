"""Shoulders that stay while the head turns: a rigid turn about the neck, whose angle fades out towards the head.

A tracked head's rotation is in its camera: played as it is, everything that the photo shows turns with the head, the
shoulders too. Here what lies below the neck keeps the photo's orientation instead.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from omg_jax.geometry.rotations import axis_angle_to_quat, matrix_to_axis_angle, multiply_quats, rotate_by_quat
from omg_jax.head.model import JOINT_NAMES, HeadModel, joint_positions
from omg_jax.types import Camera, Gaussians

BLEND_SHARE = 0.5  # of the way from the neck joint down to the mesh's rim: where the shoulders begin


class Shoulders(NamedTuple):
    """What stays, and how.

    shares: of each Gaussian, 1 where it keeps the photo's orientation, 0 where it turns with the head; pivot: what they
    turn about (world units); photo_rotation: of the photo's camera.
    """

    shares: Float[Array, " n"]
    pivot: Float[Array, "3"]
    photo_rotation: Float[Array, "3 3"]


def find_shoulders(
    head: HeadModel, points: Float[Array, "n 3"], jaw_weights: Float[Array, " n"], photo_camera: Camera
) -> Shoulders:
    """The shoulders among a person's Gaussians: by height, so that neighbours move alike, but without the chin.

    head: the person's, at rest; points: the Gaussians' means in the photo's pose; jaw_weights: how far each hangs on
    the jaw's joint.
    """
    pivot = joint_positions(head)[JOINT_NAMES.index("neck")]
    rim = jnp.min(head.template[:, 1])
    down = jnp.clip((pivot[1] - points[:, 1]) / (BLEND_SHARE * (pivot[1] - rim)), 0.0, 1.0)
    smooth = down * down * (3.0 - 2.0 * down)
    return Shoulders(smooth * (1.0 - jaw_weights), pivot, photo_camera.world_to_camera[:3, :3])


def hold_shoulders(gaussians: Gaussians, shoulders: Shoulders, camera: Camera) -> Gaussians:
    """The Gaussians with their shoulders as the photo's camera sees them turned, under the camera of a driven head.

    The neck's joint stays where the driven head has it, so that head and shoulders remain attached; every Gaussian is
    turned about it by its share of the rotation between both cameras.
    """
    driven = camera.world_to_camera[:3, :3]
    back = jnp.matmul(driven.T, shoulders.photo_rotation, precision=jax.lax.Precision.HIGHEST)
    turns = axis_angle_to_quat(shoulders.shares[:, None] * matrix_to_axis_angle(back))
    means = shoulders.pivot + rotate_by_quat(turns, gaussians.means - shoulders.pivot)
    return gaussians._replace(means=means, quats=multiply_quats(turns, gaussians.quats))
