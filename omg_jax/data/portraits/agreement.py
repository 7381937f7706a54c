"""How well a clip's stored parameters say where its head is: our head model and camera against what was drawn."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from omg_jax.data.clips import Clip
from omg_jax.data.makehuman import NUM_BODY_VERTICES
from omg_jax.data.portraits.clip import PortraitAssets, Subject, pose_vertices
from omg_jax.data.portraits.scene import build_scene
from omg_jax.geometry.visibility import zbuffer
from omg_jax.head.model import head_vertices
from omg_jax.types import Camera, HeadParams

# Matte (of 255) from which a pixel belongs to the person.
COVERED = 128
# A head's vertex is a vertex of the base mesh where one of its weights is at least this.
ONE_ROW = 0.999


class Agreement(NamedTuple):
    """Per frame: overlap of the two heads (intersection over union), the share of our head that the matte covers."""

    overlap: Float[np.ndarray, "t"]
    inside_matte: Float[np.ndarray, "t"]


def head_agreement(assets: PortraitAssets, subject: Subject, clip: Clip) -> Agreement:
    """Compares, in every frame, our head under the stored parameters with the drawn person's head.

    The drawn head is that part of the stored matte where the person, without hair and garment, shows the head: skin
    above the neck, eyes, mouth. subject is the clip's person.
    """
    head, size = assets.head, clip.mattes.shape[1]
    params = HeadParams(*(jnp.asarray(x) for x in clip.head_params))
    vertices = np.asarray(head_vertices(head.model, params))
    faces = np.asarray(head.model.faces)
    on_head = ~np.isin(faces, head.regions["neck"]).any(axis=1)
    bare = build_scene(subject.scene.parts[:4], (), subject.identity, assets.basis.scale)
    drawn_on_head = _head_faces(assets, bare.faces[: bare.num_faces], bare.face_part[: bare.num_faces])
    overlap, inside = [], []
    for frame in range(len(clip.images)):
        camera = Camera(*(x[frame] for x in clip.camera))
        expression, eye_pose = clip.head_params.expression_params[frame], clip.head_params.eye_pose[frame]
        posed = pose_vertices(assets, bare, subject.identity, subject.shape, expression, eye_pose)
        ours = _shown(vertices[frame], faces, on_head, camera, size)
        matte = clip.mattes[frame] >= COVERED
        theirs = _shown(posed, bare.solid_faces, drawn_on_head, camera, size) & matte
        overlap.append((ours & theirs).sum() / (ours | theirs).sum())
        inside.append((ours & matte).sum() / ours.sum())
    return Agreement(np.array(overlap), np.array(inside))


def _head_faces(
    assets: PortraitAssets, faces: Int[np.ndarray, "f 3"], face_part: Int[np.ndarray, "f"]
) -> Bool[np.ndarray, "f"]:
    """Which faces of a bare scene belong to the head: skin that the head model has above its neck, and other parts."""
    basis = assets.basis
    neck = np.isin(basis.head_rows, assets.head.regions["neck"])
    whole = basis.skin_weights.max(axis=1) >= ONE_ROW
    rows = basis.skin_rows[np.arange(len(neck)), basis.skin_weights.argmax(axis=1)]
    known = np.zeros(NUM_BODY_VERTICES, bool)
    known[rows[whole & ~neck]] = True
    skin = face_part == 0
    result = ~skin
    result[skin] = known[faces[skin]].all(axis=1)
    return result


def _shown(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    chosen: Bool[np.ndarray, "g"],
    camera: Camera,
    size: int,
) -> Bool[np.ndarray, "h w"]:
    """Pixels that show a chosen face."""
    face_index = np.asarray(_face_index(vertices, faces, camera, size))
    return (face_index >= 0) & chosen[np.maximum(face_index, 0)]


@partial(jax.jit, static_argnums=3)
def _face_index(vertices: jax.Array, faces: jax.Array, camera: Camera, size: int) -> jax.Array:
    return zbuffer(vertices, faces, camera, (size, size)).face_index
