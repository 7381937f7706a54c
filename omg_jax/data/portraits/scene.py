"""One dressed person as a single mesh: skin, eyes, teeth, tongue, garment, and the transparent brows, lashes and hair.

Positions are in the head's frame and world units. Every part follows MakeHuman's base mesh, so a frame costs one sparse
product.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from omg_jax.data.makehuman import NUM_BODY_VERTICES, ObjMesh, Proxy
from omg_jax.data.portraits.textures import Texture, sample_alpha

# Nothing below this height (world units in the head's frame) comes into a head-and-shoulders picture.
LOWEST_HEIGHT = -1.75
# The high-poly eyes carry a clear cornea shell around the iris; its texels lie below this alpha.
CORNEA_ALPHA = 0.8
# Faces of hair whose alpha nowhere falls below this are drawn as opaque ones; the rest are layers.
SOLID_ALPHA = 0.93
VERTEX_PADDING, FACE_PADDING = 8192, 16384
# Where alpha is looked up within a face: barycentric coordinates.
PROBES = np.array([(i, j, 4 - i - j) for i in range(5) for j in range(5 - i)], np.float32) / 4.0

Reshape = Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, "n 3"]]


class Part(NamedTuple):
    """Something to draw: proxy is None for the skin. reshape, if any, moves the fitted vertices of the identity."""

    material: str
    texture: Texture
    mesh: ObjMesh
    proxy: Proxy | None
    relief: Texture | None = None
    reshape: Reshape | None = None


class Scene(NamedTuple):
    """The merged mesh of a person.

    Vertices are placement @ base + offsets, where base are the rows of the base mesh with expression. The first
    num_solid faces are opaque; from first_layer on they are drawn as layers. The two overlap in the opaque faces that
    border on layers: pixels whose middle such a face covers would else show, beside it, what is below. solid_faces are
    the opaque ones, occluders those that cast shadows; both are padded with empty faces to few different lengths, as
    are the faces and the vertices (each new shape costs a compilation). texels are each corner's place in its part's
    texture. eye_rows are the merged rows of the left and of the right eye.
    """

    placement: sparse.csr_matrix
    offsets: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    texels: Float[np.ndarray, "f 6"]
    face_part: Int[np.ndarray, "f"]
    num_faces: int
    num_solid: int
    first_layer: int
    solid_faces: Int[np.ndarray, "p 3"]
    occluders: Int[np.ndarray, "o 3"]
    parts: tuple[Part, ...]
    part_rows: tuple[slice, ...]
    eye_rows: tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]
    normal_sum: sparse.csr_matrix

    def vertices(self, base: Float[np.ndarray, "b 3"]) -> Float[np.ndarray, "v 3"]:
        """Merged vertices before the eyes turn."""
        return (self.placement @ base + self.offsets).astype(np.float32)

    def normals(self, vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
        """Unit vertex normals, weighted by the faces' areas."""
        a, b = self._edges(vertices)
        face_normals = np.stack([a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1], a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
                                 a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]], axis=1)  # fmt: skip
        return _unit(self.normal_sum @ face_normals)

    def strands(self, vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
        """Unit directions, at the vertices, in which the texture's v falls: along the hair where there is hair."""
        a, b = self._edges(vertices)
        texels = self.texels[: self.num_faces]
        s, t = texels[:, 2:4] - texels[:, 0:2], texels[:, 4:6] - texels[:, 0:2]
        turn = np.sign(s[:, :1] * t[:, 1:] - s[:, 1:] * t[:, :1])
        return _unit(self.normal_sum @ _unit(turn * (b * s[:, :1] - a * t[:, :1])))

    def _edges(self, vertices: Float[np.ndarray, "v 3"]) -> tuple[np.ndarray, np.ndarray]:
        corner = vertices[self.faces[: self.num_faces]]
        return corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]


def build_scene(
    opaque: tuple[Part, ...], transparent: tuple[Part, ...], identity: Float[np.ndarray, "b 3"], scale: float
) -> Scene:
    """Merges the parts on an identity (all rows of the base mesh, world units, without expression).

    scale is world units per unit of the asset files.
    """
    parts = opaque + transparent
    hidden = _hidden_skin(parts)
    placements, offsets, part_rows, tables = [], [], [], []
    eye_rows = (np.zeros(0, np.int32),) * 2
    first = 0
    for index, part in enumerate(parts):
        placement, offset = _place(part, identity, scale)
        positions = placement @ identity + offset
        if part.reshape is not None:
            offset = offset + part.reshape(positions) - positions
        faces, corners = part.mesh.triangles("body" if part.proxy is None else None)
        keep = _keep_faces(part, faces, corners, positions, hidden)
        faces, corners = faces[keep], corners[keep]
        if part.material == "eyes":
            # Eyeballs keep their place under every expression: they turn by eye_pose alone.
            placement, offset = sparse.csr_matrix(placement.shape), positions
            left = positions[:, 0] > 0.0
            eye_rows = tuple((np.flatnonzero(side) + first).astype(np.int32) for side in (left, ~left))
        uvs = part.mesh.uvs[corners]
        solid = np.full(len(faces), index < len(opaque))
        casts = solid | (part.material == "hair")
        if part.material == "hair":
            alpha = sample_alpha(part.texture, np.einsum("pk,fkc->fpc", PROBES, uvs), 3)
            solid, casts = alpha.min(axis=1) > SOLID_ALPHA, alpha.mean(axis=1) > 0.5
        tables.append((faces + first, _texels(part.texture, uvs), np.full(len(faces), index), solid, casts))
        placements.append(placement)
        offsets.append(offset)
        part_rows.append(slice(first, first + len(positions)))
        first += len(positions)
    faces, texels, face_part, solid, casts = (np.concatenate(column) for column in zip(*tables, strict=True))
    in_layers = np.zeros(first, bool)
    in_layers[faces[~solid]] = True
    border = solid & in_layers[faces].any(axis=1)
    order = np.argsort(border + 2 * ~solid, kind="stable")
    faces, spare = faces[order].astype(np.int32), -first % VERTEX_PADDING
    placements.append(sparse.csr_matrix((spare, len(identity))))
    return Scene(
        placement=sparse.vstack(placements).tocsr().astype(np.float32),
        offsets=_padded(np.concatenate(offsets), VERTEX_PADDING).astype(np.float32),
        faces=_padded(faces, FACE_PADDING),
        texels=_padded(texels[order], FACE_PADDING).astype(np.float32),
        face_part=_padded(face_part[order], FACE_PADDING).astype(np.int32),
        num_faces=len(faces),
        num_solid=int(solid.sum()),
        first_layer=int((solid & ~border).sum()),
        solid_faces=_padded(faces[: solid.sum()], FACE_PADDING),
        occluders=_padded(faces[casts[order]], FACE_PADDING),
        parts=parts,
        part_rows=tuple(part_rows),
        eye_rows=eye_rows,
        normal_sum=_incidence(faces, first + spare),
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
        keep &= sample_alpha(part.texture, part.mesh.uvs[uv_corners].mean(axis=1)) >= CORNEA_ALPHA
    return keep


def _texels(texture: Texture, uvs: Float[np.ndarray, "f 3 2"]) -> Float[np.ndarray, "f 6"]:
    """(x, y) of three corners in texels: u runs to the right, v upwards, over [0, 1]."""
    height, width = texture.shape[:2]
    return np.stack([uvs[..., 0] * width - 0.5, (1.0 - uvs[..., 1]) * height - 0.5], axis=-1).reshape(-1, 6)


def _unit(rows: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return rows / (np.sqrt(np.einsum("vc,vc->v", rows, rows))[:, None] + np.float32(1e-12))


def _padded(rows: np.ndarray, multiple: int) -> np.ndarray:
    """Zero rows appended up to a multiple; a face of zeros has no area."""
    return np.concatenate([rows, np.zeros((-len(rows) % multiple, *rows.shape[1:]), rows.dtype)])


def _incidence(faces: Int[np.ndarray, "f 3"], num_vertices: int) -> sparse.csr_matrix:
    """Sums what is given per face at its three vertices."""
    columns = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_matrix((np.ones(faces.size, np.float32), (faces.ravel(), columns)), (num_vertices, len(faces)))
