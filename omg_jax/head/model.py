"""The 3D morphable head: FLAME's linear blend skinning with pose correctives, over any model of FLAME's structure."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Float, Int

from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.types import HeadParams

JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")
JOINT_PARENTS = (-1, 0, 1, 1, 1)
NUM_JOINTS = len(JOINT_NAMES)
NUM_POSE_FEATURES = 9 * (NUM_JOINTS - 1)


class HeadModel(NamedTuple):
    """The arrays of a morphable head in world units (5 x metre); x to the subject's left, y up, z to the front.

    Rows of pose_correctives belong to the row-major entries of (R_1 - I, ..., R_4 - I), the rotations of neck, jaw,
    left and right eye. Joints stand in the order of JOINT_NAMES; parents names each joint's parent (-1 for the root).
    Landmark l lies on face landmark_faces[l] at landmark_barycentrics[l]. A model without landmarks has l = 0.
    """

    template: Float[Array, "v 3"]
    shape_basis: Float[Array, "v 3 s"]
    expression_basis: Float[Array, "v 3 e"]
    pose_correctives: Float[Array, "36 v 3"]
    joint_regressor: Float[Array, "5 v"]
    skinning_weights: Float[Array, "v 5"]
    parents: Int[Array, "5"]
    faces: Int[Array, "f 3"]
    landmark_faces: Int[Array, "l"]
    landmark_barycentrics: Float[Array, "l 3"]


def zero_params(model: HeadModel, batch_shape: tuple[int, ...] = ()) -> HeadParams:
    """Parameters of the mean head with a neutral face, at rest."""

    def zeros(size: int) -> Array:
        return jnp.zeros((*batch_shape, size), jnp.float32)

    return HeadParams(
        shape_params=zeros(model.shape_basis.shape[-1]),
        expression_params=zeros(model.expression_basis.shape[-1]),
        global_rotation=zeros(3),
        neck_pose=zeros(3),
        jaw_pose=zeros(3),
        eye_pose=zeros(6),
        translation=zeros(3),
    )


def head_vertices(
    model: HeadModel, params: HeadParams, vertex_offsets: Float[Array, "*b v 3"] | None = None
) -> Float[Array, "*b v 3"]:
    """Vertices of the posed head in world units (the paper's Eqs. 1 and 2).

    vertex_offsets (world units) are added to the template before the joints are regressed, so they move the joints too.
    """
    rest = _rest_vertices(model, params, vertex_offsets)
    joints = jnp.einsum("jv,...vc->...jc", model.joint_regressor, rest, precision=Precision.HIGHEST)
    rotations = _local_rotations(params)
    features = (rotations[..., 1:, :, :] - jnp.eye(3)).reshape(*rotations.shape[:-3], NUM_POSE_FEATURES)
    rest = rest + jnp.einsum("...p,pvc->...vc", features, model.pose_correctives, precision=Precision.HIGHEST)
    joint_rotations, joint_positions = _pose_chain(model, rotations, joints)
    posed = _blend_skin(model, rest, joint_rotations, joint_positions, joints)
    return posed + params.translation[..., None, :]


def bake_identity(
    model: HeadModel, shape_params: Float[Array, " s"], vertex_offsets: Float[Array, "v 3"]
) -> HeadModel:
    """One person's head model: its template holds their shape and vertex offsets, and no shape parameter is left."""
    identity = jnp.einsum("vcs,s->vc", model.shape_basis, shape_params, precision=Precision.HIGHEST)
    return model._replace(
        template=model.template + vertex_offsets + identity, shape_basis=model.shape_basis[..., :0]
    )


def joint_positions(model: HeadModel) -> Float[Array, "5 3"]:
    """Joints of the head at rest."""
    return jnp.matmul(model.joint_regressor, model.template, precision=Precision.HIGHEST)


def head_landmarks(model: HeadModel, vertices: Float[Array, "*b v 3"]) -> Float[Array, "*b l 3"]:
    """Landmark positions on a posed head: the barycentric combination of each landmark's face."""
    corners = vertices[..., model.faces[model.landmark_faces], :]
    return jnp.sum(corners * model.landmark_barycentrics[..., None], axis=-2)


def _rest_vertices(model: HeadModel, params: HeadParams, vertex_offsets: Array | None) -> Array:
    """Template + offsets + identity + expression: the head before any joint turns."""
    base = model.template if vertex_offsets is None else model.template + vertex_offsets
    identity = jnp.einsum("vcs,...s->...vc", model.shape_basis, params.shape_params, precision=Precision.HIGHEST)
    expression = jnp.einsum(
        "vce,...e->...vc", model.expression_basis, params.expression_params, precision=Precision.HIGHEST
    )
    return base + identity + expression


def _local_rotations(params: HeadParams) -> Array:
    """Rotation of each joint relative to its parent, [*b, 5, 3, 3]."""
    left_eye, right_eye = params.eye_pose[..., :3], params.eye_pose[..., 3:]
    axis_angles = (params.global_rotation, params.neck_pose, params.jaw_pose, left_eye, right_eye)
    return axis_angle_to_matrix(jnp.stack(axis_angles, axis=-2))


def _pose_chain(model: HeadModel, rotations: Array, joints: Array) -> tuple[Array, Array]:
    """Composes rotations down the joint tree: orientation [*b, 5, 3, 3] and posed position [*b, 5, 3] of each joint."""
    orientations, positions = rotations, joints
    for joint in range(1, NUM_JOINTS):
        parent = model.parents[joint]
        bone = joints[..., joint, :] - joints[..., parent, :]
        above = orientations[..., parent, :, :]
        orientation = jnp.matmul(above, rotations[..., joint, :, :], precision=Precision.HIGHEST)
        position = positions[..., parent, :] + jnp.einsum("...ij,...j->...i", above, bone, precision=Precision.HIGHEST)
        orientations = orientations.at[..., joint, :, :].set(orientation)
        positions = positions.at[..., joint, :].set(position)
    return orientations, positions


def _blend_skin(model: HeadModel, rest: Array, orientations: Array, positions: Array, joints: Array) -> Array:
    """Moves each vertex by the weighted mean of its joints' rigid transforms."""
    shifts = positions - jnp.einsum("...jab,...jb->...ja", orientations, joints, precision=Precision.HIGHEST)
    weights = model.skinning_weights
    rotation = jnp.einsum("vj,...jab->...vab", weights, orientations, precision=Precision.HIGHEST)
    shift = jnp.einsum("vj,...ja->...va", weights, shifts, precision=Precision.HIGHEST)
    return jnp.einsum("...vab,...vb->...va", rotation, rest, precision=Precision.HIGHEST) + shift
