"""One dressed person as a single mesh: skin, eyes, teeth, tongue, garment, and the transparent brows, lashes and hair.

Positions are in the head's frame and world units. Every part follows MakeHuman's base mesh, so a frame costs one sparse
product.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from omg_jax.data.makehuman import NUM_BODY_VERTICES, ObjMesh, Proxy
from omg_jax.data.portraits.textures import Texture, sample_texture

# Nothing below this height (world units in the head's frame) comes into a head-and-shoulders picture.
LOWEST_HEIGHT = -1.75
# The high-poly eyes carry a clear cornea shell around the iris; its texels lie below this alpha.
CORNEA_ALPHA = 0.8
PADDING = 4096


class Part(NamedTuple):
    """Something to draw: proxy is None for the skin; faces and uv_corners index mesh vertices and uvs."""

    material: str
    texture: Texture
    mesh: ObjMesh
    proxy: Proxy | None


class Scene(NamedTuple):
    """The merged mesh of a person.

    Vertices are placement @ base + offsets, where base are the rows of the base mesh with expression. Faces of opaque
    parts come first; solid_faces are these, occluders the ones that cast shadows, both padded with empty faces to few
    different lengths, as are the vertices (each new shape costs a compilation). eye_rows are the merged rows of the
    left and of the right eye.
    """

    placement: sparse.csr_matrix
    offsets: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    uv_corners: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"]
    face_part: Int[np.ndarray, "f"]
    num_opaque: int
    solid_faces: Int[np.ndarray, "p 3"]
    occluders: Int[np.ndarray, "o 3"]
    parts: tuple[Part, ...]
    eye_rows: tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]
    normal_sum: sparse.csr_matrix

    def vertices(self, base: Float[np.ndarray, "b 3"]) -> Float[np.ndarray, "v 3"]:
        """Merged vertices before the eyes turn."""
        return (self.placement @ base + self.offsets).astype(np.float32)

    def normals(self, vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
        """Unit vertex normals, weighted by the faces' areas."""
        corner = vertices[self.faces]
        face_normals = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        summed = self.normal_sum @ face_normals
        return (summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-12)).astype(np.float32)


def build_scene(
    opaque: tuple[Part, ...], transparent: tuple[Part, ...], identity: Float[np.ndarray, "b 3"], scale: float
) -> Scene:
    """Merges the parts on an identity (all rows of the base mesh, world units, without expression).

    scale is world units per unit of the asset files.
    """
    parts = opaque + transparent
    hidden = _hidden_skin(parts)
    placements, offsets, faces, uv_corners, uvs, face_part, dense = [], [], [], [], [], [], []
    eye_rows = (np.zeros(0, np.int32),) * 2
    num_vertices = num_uvs = 0
    for index, part in enumerate(parts):
        placement, offset = _place(part, identity, scale)
        positions = placement @ identity + offset
        part_faces, part_uvs = part.mesh.triangles("body" if part.proxy is None else None)
        keep = _keep_faces(part, part_faces, part_uvs, positions, hidden)
        part_faces, part_uvs = part_faces[keep], part_uvs[keep]
        if part.material == "eyes":
            # Eyeballs keep their place under every expression: they turn by eye_pose alone.
            placement, offset = sparse.csr_matrix(placement.shape), positions
            left = positions[:, 0] > 0.0
            eye_rows = tuple((np.flatnonzero(side) + num_vertices).astype(np.int32) for side in (left, ~left))
        placements.append(placement)
        offsets.append(offset)
        faces.append(part_faces + num_vertices)
        uv_corners.append(part_uvs + num_uvs)
        uvs.append(part.mesh.uvs)
        face_part.append(np.full(len(part_faces), index, np.int32))
        dense.append(_dense_faces(part, part_uvs))
        num_vertices, num_uvs = num_vertices + len(positions), num_uvs + len(part.mesh.uvs)
    all_faces = np.concatenate(faces).astype(np.int32)
    num_opaque = sum(len(x) for x in faces[: len(opaque)])
    spare = -num_vertices % PADDING
    placements.append(sparse.csr_matrix((spare, len(identity))))
    return Scene(
        placement=sparse.vstack(placements).tocsr().astype(np.float32),
        offsets=_padded(np.concatenate(offsets)).astype(np.float32),
        faces=all_faces,
        uv_corners=np.concatenate(uv_corners).astype(np.int32),
        uvs=np.concatenate(uvs).astype(np.float32),
        face_part=np.concatenate(face_part),
        num_opaque=num_opaque,
        solid_faces=_padded(all_faces[:num_opaque]),
        occluders=_padded(all_faces[np.concatenate(dense)]),
        parts=parts,
        eye_rows=eye_rows,
        normal_sum=_incidence(all_faces, num_vertices + spare),
    )


def _place(
    part: Part, identity: Float[np.ndarray, "b 3"], scale: float
) -> tuple[sparse.csr_matrix, Float[np.ndarray, "n 3"]]:
    """Matrix and offsets that carry the base mesh's rows to the part's vertices."""
    if part.proxy is None:
        return sparse.eye(NUM_BODY_VERTICES, len(identity), format="csr"), np.zeros((NUM_BODY_VERTICES, 3))
    refs, weights = part.proxy.refs, part.proxy.weights
    rows = np.repeat(np.arange(len(refs)), 3)
    matrix = sparse.csr_matrix((weights.ravel(), (rows, refs.ravel())), (len(refs), len(identity)))
    fitted = scale * part.proxy.fit(identity / scale, identity / scale)
    return matrix, fitted - matrix @ identity


def _hidden_skin(parts: tuple[Part, ...]) -> Bool[np.ndarray, "b"]:
    """Base vertices that lie under a garment."""
    hidden = np.zeros(NUM_BODY_VERTICES, bool)
    for part in parts:
        if part.proxy is not None:
            hidden[part.proxy.deleted[part.proxy.deleted < NUM_BODY_VERTICES]] = True
    return hidden


def _keep_faces(
    part: Part,
    faces: Int[np.ndarray, "f 3"],
    uv_corners: Int[np.ndarray, "f 3"],
    positions: Float[np.ndarray, "n 3"],
    hidden: Bool[np.ndarray, "b"],
) -> Bool[np.ndarray, "f"]:
    keep = positions[faces, 1].max(axis=1) > LOWEST_HEIGHT
    if part.proxy is None:
        keep &= ~hidden[faces].all(axis=1)
    if part.material == "eyes":
        keep &= _alpha(part, uv_corners) >= CORNEA_ALPHA
    return keep


def _dense_faces(part: Part, uv_corners: Int[np.ndarray, "f 3"]) -> Bool[np.ndarray, "f"]:
    """Faces that cast shadows: all of the opaque parts, and hair where its texture is mostly there."""
    if part.material == "brows":
        return np.zeros(len(uv_corners), bool)
    if part.material == "hair":
        return _alpha(part, uv_corners) > 0.5
    return np.ones(len(uv_corners), bool)


def _alpha(part: Part, uv_corners: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "f"]:
    """The texture's alpha at the centre of each face."""
    return sample_texture(part.texture, part.mesh.uvs[uv_corners].mean(axis=1))[:, 3]


def _padded(rows: np.ndarray) -> np.ndarray:
    """Zero rows appended up to a multiple of PADDING; a face of zeros has no area."""
    return np.concatenate([rows, np.zeros((-len(rows) % PADDING, *rows.shape[1:]), rows.dtype)])


def _incidence(faces: Int[np.ndarray, "f 3"], num_vertices: int) -> sparse.csr_matrix:
    """Sums what is given per face at its three vertices."""
    columns = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_matrix((np.ones(faces.size, np.float32), (faces.ravel(), columns)), (num_vertices, len(faces)))
