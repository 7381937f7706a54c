"""Heads in the mirror: which parameters give the mirror image of a posed head, where a head model has any."""

import numpy as np
import scipy.spatial
from jaxtyping import Int

from omg_jax.head.load import Head
from omg_jax.types import Camera, HeadParams

FLIP = np.array([-1.0, 1.0, 1.0], np.float32)  # of positions, and of a rotation's axis up to the sign
PAIR_DISTANCE = 1e-3  # world units (0.2 mm): how near a skin vertex must lie to its partner's mirror image
# World units (2.5 mm): by how much a fully drawn unit or slider may differ from its partner's mirror image, anywhere.
# The ARKit head's worst is mouthFunnel, 2.2 mm on the midline of the lips.
UNIT_DISTANCE = 1.25e-2


def mirrored_units(head: Head) -> Int[np.ndarray, " e"] | None:
    """For each expression unit the one that moves the mirrored head alike; None where the head is not symmetric.

    Units are paired by the words Left and Right in their names, and the pairs are held against the mesh: skin vertices
    must have partners, sliders of the shape must be symmetric. FLAME's principal components are not.
    """
    skin, model = head.regions["skin"], head.model
    template = np.asarray(model.template)[skin]
    distance, partner = scipy.spatial.cKDTree(template).query(template * FLIP)
    if distance.max() > PAIR_DISTANCE:
        return None
    places = {name: place for place, name in enumerate(head.expression_names)}
    units = np.array([places.get(_other_side(name), -1) for name in head.expression_names])
    shape, expression = (np.asarray(basis)[skin] for basis in (model.shape_basis, model.expression_basis))
    odd_units = expression[partner] * FLIP[:, None] - expression[..., units]
    odd_sliders = shape[partner] * FLIP[:, None] - shape
    unlike = max(float(np.abs(odd).max(initial=0.0)) for odd in (odd_units, odd_sliders))
    return units if unlike <= UNIT_DISTANCE and units.min() >= 0 else None


def mirrored_params(params: HeadParams, units: Int[np.ndarray, " e"]) -> HeadParams:
    """The parameters of the mirror image in the plane x = 0 (numpy); units: of mirrored_units."""
    turn = -FLIP  # a mirrored rotation keeps its turn about x, and reverses those about y and z
    left, right = params.eye_pose[..., :3], params.eye_pose[..., 3:]
    return HeadParams(
        shape_params=params.shape_params,
        expression_params=params.expression_params[..., units],
        global_rotation=params.global_rotation * turn,
        neck_pose=params.neck_pose * turn,
        jaw_pose=params.jaw_pose * turn,
        eye_pose=np.concatenate([right * turn, left * turn], axis=-1),
        translation=params.translation * FLIP,
    )


def mirrored_camera(camera: Camera, width: int) -> Camera:
    """The camera (numpy) that sees the mirrored world as the picture of ``width`` pixels flipped left to right."""
    flip = np.append(FLIP, np.float32(1))
    intrinsics = camera.intrinsics.copy()
    intrinsics[..., 0, 2] = width - intrinsics[..., 0, 2]
    return Camera(flip[:, None] * camera.world_to_camera * flip, intrinsics)


def _other_side(name: str) -> str:
    if "Left" in name:
        return name.replace("Left", "Right")
    return name.replace("Right", "Left")
