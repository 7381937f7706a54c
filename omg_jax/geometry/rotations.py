"""Rotations: axis-angle vectors, matrices, unit quaternions (w, x, y, z) and head angles (yaw, pitch, roll).

Everything is in radians, acts on column vectors, takes any leading batch dimensions and is differentiable; gradients
stay finite at the identity, where a head at rest always is.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

# Below this squared angle the series, cut after its third term, is exact to float32.
_SMALL_SQUARED_ANGLE = 1e-2


def _sinc_and_versine(squared_angle: Float[Array, "*b"]) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """sin(t) / t and (1 - cos(t)) / t^2 for t^2 given; smooth through zero."""
    small = squared_angle < _SMALL_SQUARED_ANGLE
    # The square root of the guarded value keeps the unused branch's gradient finite.
    angle = jnp.sqrt(jnp.where(small, 1.0, squared_angle))
    sinc_series = 1.0 - squared_angle / 6.0 * (1.0 - squared_angle / 20.0 * (1.0 - squared_angle / 42.0))
    versine_series = 0.5 * (1.0 - squared_angle / 12.0 * (1.0 - squared_angle / 30.0 * (1.0 - squared_angle / 56.0)))
    # 2 sin^2(t/2) instead of 1 - cos(t), which would cancel.
    versine = 2.0 * jnp.square(jnp.sin(0.5 * angle)) / jnp.square(angle)
    return jnp.where(small, sinc_series, jnp.sin(angle) / angle), jnp.where(small, versine_series, versine)


def axis_angle_to_matrix(axis_angle: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """Rotation matrix of an axis-angle vector (axis times angle in radians), by Rodrigues' formula."""
    sinc, versine = _sinc_and_versine(jnp.sum(jnp.square(axis_angle), axis=-1))
    x, y, z = jnp.moveaxis(axis_angle, -1, 0)
    sx, sy, sz = sinc * x, sinc * y, sinc * z
    xx, yy, zz = versine * x * x, versine * y * y, versine * z * z
    xy, xz, yz = versine * x * y, versine * x * z, versine * y * z
    rows = [
        [1.0 - yy - zz, xy - sz, xz + sy],
        [xy + sz, 1.0 - xx - zz, yz - sx],
        [xz - sy, yz + sx, 1.0 - xx - yy],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_axis_angle(matrix: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3"]:
    """Axis-angle vector of a rotation matrix, angle in [0, pi]; at pi itself either sign of the axis may come out."""
    quat = matrix_to_quat(matrix)
    w, xyz = quat[..., 0], quat[..., 1:]
    squared_sine = jnp.sum(jnp.square(xyz), axis=-1)
    small = squared_sine < 1e-8
    sine = jnp.sqrt(jnp.where(small, 1.0, squared_sine))
    # angle / sin(angle / 2); its limit at zero is 2, with error of the order of squared_sine.
    scale = jnp.where(small, 2.0 + squared_sine / 3.0, 2.0 * jnp.arctan2(sine, w) / sine)
    return scale[..., None] * xyz


def matrix_to_quat(matrix: Float[Array, "*b 3 3"]) -> Float[Array, "*b 4"]:
    """Unit quaternion (w, x, y, z) with w >= 0 of a rotation matrix.

    Of the four algebraically equal forms the one that divides by the largest component is taken (Shepperd 1978).
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = jnp.moveaxis(matrix.reshape(*matrix.shape[:-2], 9), -1, 0)
    # Row k is 4 q_k q: every row is the quaternion itself, up to scale.
    candidates = jnp.stack(
        [
            jnp.stack([1.0 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], axis=-1),
            jnp.stack([m21 - m12, 1.0 + m00 - m11 - m22, m10 + m01, m02 + m20], axis=-1),
            jnp.stack([m02 - m20, m10 + m01, 1.0 - m00 + m11 - m22, m21 + m12], axis=-1),
            jnp.stack([m10 - m01, m02 + m20, m21 + m12, 1.0 - m00 - m11 + m22], axis=-1),
        ],
        axis=-2,
    )
    largest = jnp.argmax(jnp.diagonal(candidates, axis1=-2, axis2=-1), axis=-1)
    quat = jnp.take_along_axis(candidates, largest[..., None, None], axis=-2)[..., 0, :]
    quat = quat / jnp.linalg.norm(quat, axis=-1, keepdims=True)
    return jnp.where(quat[..., :1] < 0.0, -quat, quat)


def quat_to_matrix(quat: Float[Array, "*b 4"]) -> Float[Array, "*b 3 3"]:
    """Rotation matrix of a unit quaternion (w, x, y, z). The quaternion is not normalised here."""
    w, x, y, z = jnp.moveaxis(quat, -1, 0)
    rows = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def axis_angle_to_quat(axis_angle: Float[Array, "*b 3"]) -> Float[Array, "*b 4"]:
    """Unit quaternion (w, x, y, z) of an axis-angle vector."""
    half = 0.5 * axis_angle
    squared = jnp.sum(jnp.square(half), axis=-1)
    sinc, versine = _sinc_and_versine(squared)
    return jnp.concatenate([(1.0 - versine * squared)[..., None], sinc[..., None] * half], axis=-1)


def multiply_quats(a: Float[Array, "*#b 4"], b: Float[Array, "*#b 4"]) -> Float[Array, "*b 4"]:
    """The quaternion of rotation b followed by rotation a."""
    aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    real = aw * bw - jnp.sum(av * bv, axis=-1, keepdims=True)
    return jnp.concatenate([real, aw * bv + bw * av + jnp.cross(av, bv)], axis=-1)


def rotate_by_quat(quat: Float[Array, "*#b 4"], vectors: Float[Array, "*#b 3"]) -> Float[Array, "*b 3"]:
    """Vectors turned by unit quaternions."""
    w, axis = quat[..., :1], quat[..., 1:]
    twice = 2.0 * jnp.cross(axis, vectors)
    return vectors + w * twice + jnp.cross(axis, twice)


def euler_to_matrix(yaw_pitch_roll: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """Rotation Rz(roll) Rx(pitch) Ry(yaw) in camera axes (x right, y down, z forward).

    For a head that looks into the camera: yaw > 0 turns the nose to the image's left, pitch > 0 turns it down, roll > 0
    turns the head clockwise in the image. Its rigid pose is this rotation times diag(1, -1, -1), which takes head axes
    to camera axes.
    """
    yaw, pitch, roll = jnp.moveaxis(yaw_pitch_roll, -1, 0)
    sy, cy, sp, cp, sr, cr = jnp.sin(yaw), jnp.cos(yaw), jnp.sin(pitch), jnp.cos(pitch), jnp.sin(roll), jnp.cos(roll)
    rows = [
        [cr * cy - sr * sp * sy, -sr * cp, cr * sy + sr * sp * cy],
        [sr * cy + cr * sp * sy, cr * cp, sr * sy - cr * sp * cy],
        [-cp * sy, sp, cp * cy],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_euler(matrix: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3"]:
    """(yaw, pitch, roll) of a rotation, the inverse of ``euler_to_matrix`` for pitch in (-pi/2, pi/2)."""
    yaw = jnp.arctan2(-matrix[..., 2, 0], matrix[..., 2, 2])
    pitch = jnp.arcsin(jnp.clip(matrix[..., 2, 1], -1.0, 1.0))
    roll = jnp.arctan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    return jnp.stack([yaw, pitch, roll], axis=-1)
