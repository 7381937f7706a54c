"""Where on the average head each texel of the skin texture lies, so that paint goes by place: lips, lids, beard, scalp.

Places are in the head's frame and world units: x to the subject's left, y up, z to the front; eyes at about
(+-0.147, 0.113, 0.19), the mouth at (0, -0.216, 0.29).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import distance_transform_edt, gaussian_filter

from omg_jax.data.makehuman import ObjMesh
from omg_jax.geometry.visibility import barycentrics, zbuffer
from omg_jax.types import Camera

TEXTURE_SIZE = 1024
# The head's island in the skin texture.
HEAD_ROWS, HEAD_COLUMNS = slice(160, 900), slice(636, 1024)
LIP_BLUR = 1.6  # texels


class Anatomy(NamedTuple):
    """Over the head's part of the skin texture: places, and masks in [0, 1]."""

    places: Float[np.ndarray, "h w 3"]
    lips: Float[np.ndarray, "h w"]
    scalp: Float[np.ndarray, "h w"]
    face: Float[np.ndarray, "h w"]
    beard: Float[np.ndarray, "h w"]
    moustache: Float[np.ndarray, "h w"]
    goatee: Float[np.ndarray, "h w"]
    cheeks: Float[np.ndarray, "h w"]
    nose: Float[np.ndarray, "h w"]
    lids: Float[np.ndarray, "h w"]
    under_eyes: Float[np.ndarray, "h w"]
    freckled: Float[np.ndarray, "h w"]
    oily: Float[np.ndarray, "h w"]


def texel_places(
    mesh: ObjMesh, faces: Int[np.ndarray, "f 3"], uv_corners: Int[np.ndarray, "f 3"], values: Float[np.ndarray, "v c"],
    size: int,
) -> Float[np.ndarray, "s s c"]:
    """Values given at vertices, at every texel of a size x size texture; texels off the mesh take the nearest one's."""
    uvs = mesh.uvs[uv_corners].reshape(-1, 2)
    corners = np.stack([uvs[:, 0] * size, (1.0 - uvs[:, 1]) * size, np.ones(len(uvs))], axis=1).astype(np.float32)
    flat = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    camera = Camera(jnp.eye(4), jnp.eye(3))
    on_device = (jnp.asarray(corners), jnp.asarray(flat), camera)
    face_index = zbuffer(*on_device, (size, size)).face_index
    weights = np.asarray(barycentrics(*on_device, face_index))
    face_index = np.asarray(face_index)
    result = np.einsum("hwk,hwkc->hwc", weights, values[faces[face_index]])
    rows, columns = distance_transform_edt(face_index < 0, return_distances=False, return_indices=True)
    return result[rows, columns].astype(np.float32)


def build_anatomy(
    mesh: ObjMesh, average: Float[np.ndarray, "b 3"], lip_rows: Int[np.ndarray, "l"]
) -> Anatomy:
    """Masks for the base mesh. average are its rows for the average person; lip_rows those of the lips."""
    faces, uv_corners = mesh.triangles("body")
    lips = np.zeros((len(average), 1))
    lips[lip_rows] = 1.0
    values = texel_places(mesh, faces, uv_corners, np.concatenate([average, lips], axis=1), TEXTURE_SIZE)
    values = values[HEAD_ROWS, HEAD_COLUMNS]
    places = values[..., :3]
    x, y, z = np.abs(places[..., 0]), places[..., 1], places[..., 2]
    lips = gaussian_filter(np.clip(2.0 * values[..., 3] - 0.6, 0.0, 1.0), LIP_BLUR)
    scalp = _step(y - 0.17 - 0.85 * z, 0.07) * _step(0.405 - x, 0.01)
    below_cheeks = _step(-0.235 + 0.66 * x - y, 0.025) * _step(z + 0.20, 0.03) * _step(y + 0.47 - 0.3 * z, 0.03)
    off_lips = 1.0 - np.clip(1.6 * gaussian_filter(lips, 2.0), 0.0, 1.0)
    moustache = _step(-0.118 - y, 0.008) * _step(y + 0.20, 0.02) * _step(0.135 - x - 0.3 * (y + 0.15), 0.02)
    moustache = moustache * _step(z - 0.2, 0.02) * off_lips
    beard = np.maximum(below_cheeks * _step(-0.2 + 0.75 * (x - 0.13) - y, 0.03) * off_lips, 0.0)
    goatee = beard * _step(0.10 - x, 0.025) * _step(-0.235 - y, 0.02)
    return Anatomy(
        places=places,
        lips=lips,
        scalp=scalp,
        face=(1.0 - scalp) * _step(z - 0.02, 0.05) * off_lips * _step(y + 0.35, 0.03),
        beard=beard,
        moustache=moustache,
        goatee=goatee,
        cheeks=_ball(x, y, z, (0.215, -0.045, 0.20), (0.085, 0.065, 0.15)),
        nose=_ball(x, y, z, (0.0, -0.07, 0.36), (0.055, 0.05, 0.09)),
        lids=_ball(x, y, z, (0.150, 0.150, 0.21), (0.085, 0.030, 0.08)),
        under_eyes=_ball(x, y, z, (0.140, 0.050, 0.23), (0.065, 0.028, 0.08)),
        freckled=_ball(x, y, z, (0.11, -0.02, 0.26), (0.15, 0.08, 0.2)),
        oily=np.maximum(
            _ball(x, y, z, (0.0, 0.28, 0.30), (0.16, 0.09, 0.2)), _ball(x, y, z, (0.0, 0.0, 0.34), (0.05, 0.16, 0.2))
        ),
    )


def _step(value: np.ndarray, width: float) -> Float[np.ndarray, "h w"]:
    """0 below zero, 1 above, smooth over +-width."""
    t = np.clip(0.5 + 0.5 * value / width, 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def _ball(x, y, z, centre, radii) -> Float[np.ndarray, "h w"]:
    """A bell around a place and its mirror image."""
    distance = sum(((value - c) / r) ** 2 for value, c, r in zip((x, y, z), centre, radii, strict=True))
    return np.exp(-distance).astype(np.float32)
