"""A head model reduced to its landmarks: all that fitting needs, linear but for the joints that turn.

Eyes turn with the gaze. A jaw turns where no expression moves it: FLAME's does, the built-in head's does not.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Float, Int

from omg_jax.geometry.rotations import axis_angle_to_matrix


class LandmarkHead(NamedTuple):
    """Landmarks of a head as functions of its parameters, in world units and head axes.

    The first five are what model.head_vertices computes, at the landmarks l and then at the joints j that turn (left
    eye, right eye and, where it turns, the jaw): n = l + j rows. joint_weights: how much each landmark turns with each
    joint; correctives: what the c = 9 j entries of (R - I) add. ids: which points of the face mesh these are. normals:
    of the neutral surface at each landmark. sigmas: expected error of a landmark, its place on the head and the net's
    noise together. weights: of the squared errors; landmarks that slide have less.

    expression_prior, below, above: factors of the squared distance from the prior's mean, and of what lies below 0 and
    above 1. excess: rows that times the expression must not be positive. expression_by_score, jaw_by_score: the priors'
    means are the scores times these; jaw angles are a = 3, or 0 where the jaw does not turn.
    """

    base: Float[Array, "n 3"]
    shape_basis: Float[Array, "n 3 s"]
    expression_basis: Float[Array, "n 3 e"]
    joint_weights: Float[Array, "l j"]
    correctives: Float[Array, "c l 3"]
    ids: Int[Array, "l"]
    normals: Float[Array, "l 3"]
    sigmas: Float[Array, "l"]
    weights: Float[Array, "l"]
    expression_prior: Float[Array, "e"]
    below: Float[Array, "e"]
    above: Float[Array, "e"]
    excess: Float[Array, "k e"]
    expression_by_score: Float[Array, "52 e"]
    jaw_by_score: Float[Array, "52 a"]


def landmark_points(
    head: LandmarkHead,
    shape: Float[Array, "s"],
    expression: Float[Array, "e"],
    jaw: Float[Array, "a"],
    gaze: Float[Array, "4"],
) -> Float[Array, "l 3"]:
    """Landmarks in head axes, world units. jaw: axis-angle, or nothing; gaze: as in `gaze_to_eye_pose`."""
    return turn_joints(head, rows_before_turns(head, shape, expression), jaw, gaze)


def rows_before_turns(
    head: LandmarkHead, shape: Float[Array, "s"], expression: Float[Array, "e"]
) -> Float[Array, "n 3"]:
    """Landmarks and joints of a head whose joints are at rest."""
    identity = jnp.einsum("ncs,s->nc", head.shape_basis, shape, precision=Precision.HIGHEST)
    moved = jnp.einsum("nce,e->nc", head.expression_basis, expression, precision=Precision.HIGHEST)
    return head.base + identity + moved


def turn_joints(
    head: LandmarkHead, rows: Float[Array, "n 3"], jaw: Float[Array, "a"], gaze: Float[Array, "4"]
) -> Float[Array, "l 3"]:
    """Landmarks after the joints have turned, from landmarks and joints before."""
    turns = joint_turns(jaw, gaze)
    added = jnp.einsum("p,plc->lc", turns.ravel(), head.correctives, precision=Precision.HIGHEST)
    landmarks, joints = rows[: -len(turns)] + added, rows[-len(turns) :]
    shifts = jnp.einsum("jab,ljb->lja", turns, landmarks[:, None] - joints, precision=Precision.HIGHEST)
    return landmarks + jnp.einsum("lj,lja->la", head.joint_weights, shifts, precision=Precision.HIGHEST)


def joint_turns(jaw: Float[Array, "a"], gaze: Float[Array, "4"]) -> Float[Array, "j 3 3"]:
    """Rotations of the joints that turn, less the identity."""
    return axis_angle_to_matrix(jnp.concatenate([gaze_to_eye_pose(gaze), jaw]).reshape(-1, 3)) - jnp.eye(3)


def gaze_to_eye_pose(gaze: Float[Array, "*b 4"]) -> Float[Array, "*b 6"]:
    """eye_pose of HeadParams from (down, left) of the left eye, then of the right: radians, "left" is the subject's."""
    nothing = jnp.zeros_like(gaze[..., 0])
    return jnp.stack([gaze[..., 0], gaze[..., 1], nothing, gaze[..., 2], gaze[..., 3], nothing], axis=-1)
