"""Which MakeHuman vertices and triangles make the head: skin cut at the collar, eyeballs, teeth, tongue."""

from typing import NamedTuple

import numpy as np
import trimesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from omg_jax.data.makehuman import NUM_BODY_VERTICES, Makehuman, ObjMesh, Proxy, load_obj, load_proxy

# Collar: skin above the plane y = COLLAR_HEIGHT - COLLAR_SLOPE * z (decimetres) on the neutral person, where an edge
# loop of the base mesh runs.
COLLAR_HEIGHT, COLLAR_SLOPE = 5.95, 0.5
# The back of the eye socket is never seen: skin this close to the eyeball's centre (decimetres) and behind it.
SOCKET_RADIUS = 0.162
HELPER_EYES = {"left": slice(14598, 14670), "right": slice(14670, 14742)}


class Part(NamedTuple):
    """One piece of the head: its vertices as blends of source vertices, and triangles over them.

    The source is the base mesh where proxy is None, else the vertices of the fitted proxy. Vertex i of the part is
    sum_k source_weights[i, k] * source[source_ids[i, k]]; nearly all are plain copies (weights 1, 0, 0). face_uvs are
    texture coordinates per face corner.
    """

    name: str
    source: str
    proxy: Proxy | None
    source_ids: np.ndarray
    source_weights: np.ndarray
    faces: np.ndarray
    face_uvs: np.ndarray

    def place(self, base: np.ndarray, identity: np.ndarray) -> np.ndarray:
        """Vertices of the part on given base vertices; identity is the same person without expression."""
        source = base if self.proxy is None else self.proxy.fit(base, identity)
        return np.einsum("nk,nkc->nc", self.source_weights, source[self.source_ids])


def head_parts(makehuman: Makehuman, neutral: np.ndarray) -> list[Part]:
    """All parts, in the order of the head's vertices."""
    eyeballs = [_eyeball(makehuman, neutral, side) for side in ("left", "right")]
    return [_skin(makehuman, neutral), *eyeballs, _teeth(makehuman, neutral), _tongue(makehuman)]


def place(parts: list[Part], base: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """Vertices of all parts on given base vertices (decimetres)."""
    return np.concatenate([part.place(base, identity) for part in parts])


def join_faces(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Triangles over the concatenated vertices, and the uv of each face corner [F, 3, 2]."""
    starts = np.cumsum([0] + [len(part.source_ids) for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts[:-1], strict=True)])
    return faces, np.concatenate([part.face_uvs for part in parts])


def part_rows(parts: list[Part]) -> dict[str, np.ndarray]:
    """Ids of each part's vertices in the head."""
    starts = np.cumsum([0] + [len(part.source_ids) for part in parts])
    return {part.name: np.arange(a, b) for part, a, b in zip(parts, starts[:-1], starts[1:], strict=True)}


def _skin(makehuman: Makehuman, neutral: np.ndarray) -> Part:
    """Head and neck down to the collar, without the hidden back of the eye sockets."""
    triangles, uv_ids = makehuman.base.triangles("body")
    above_collar = neutral[:, 1] > COLLAR_HEIGHT - COLLAR_SLOPE * neutral[:, 2]
    kept = above_collar & (np.arange(len(neutral)) < NUM_BODY_VERTICES)
    for rows in HELPER_EYES.values():
        centre = neutral[rows].mean(axis=0)
        kept &= (np.linalg.norm(neutral - centre, axis=1) > SOCKET_RADIUS) | (neutral[:, 2] > centre[2])
    chosen = kept[triangles].all(axis=1)
    return _copied("skin", "base", None, makehuman.base, triangles[chosen], uv_ids[chosen])


def _eyeball(makehuman: Makehuman, neutral: np.ndarray, side: str) -> Part:
    """The opaque inner shell of the high-poly eye (the outer is a transparent cornea), its hole at the back closed."""
    proxy, mesh = _load(makehuman, "eyes", "high-poly")
    triangles, uv_ids = mesh.triangles()
    fitted = proxy.fit(neutral, neutral)
    labels = _components(triangles, len(mesh.vertices))
    sign = 1 if side == "left" else -1
    shells = [triangles[labels[triangles[:, 0]] == label] for label in np.unique(labels)]
    shells = [shell for shell in shells if sign * fitted[shell].mean(axis=(0, 1))[0] > 0]
    # The cornea bulges in front of the iris.
    inner = min(shells, key=lambda shell: fitted[shell][..., 2].max())
    chosen = np.isin(triangles, inner).all(axis=1)
    closed = _close_hole(triangles[chosen], uv_ids[chosen])
    return _copied(f"{side}_eyeball", "eyes/high-poly", proxy, mesh, *closed)


def _teeth(makehuman: Makehuman, neutral: np.ndarray) -> Part:
    """Two strips of teeth and gum: the base mesh's simple ones, refined once and laid onto the detailed teeth."""
    proxy, mesh = _load(makehuman, "teeth", "teeth_base")
    detailed, detailed_uvs = mesh.triangles()
    fitted = proxy.fit(neutral, neutral)
    opened = proxy.fit(neutral + makehuman.offsets({"faceunits/jawOpen": 1.0}), neutral)
    drop = np.linalg.norm(opened - fitted, axis=1)[detailed].mean(axis=1)
    is_lower = drop > drop.max() / 2
    ids, weights, faces = [], [], []
    for jaw, chosen in (("upper", ~is_lower), ("lower", is_lower)):
        strip_ids, strip = np.unique(makehuman.base.triangles(f"helper-{jaw}-teeth")[0], return_inverse=True)
        points, strip = trimesh.remesh.subdivide(neutral[strip_ids], strip.reshape(-1, 3))
        nearest, barycentrics = _nearest_on(fitted[detailed[chosen]], points)
        faces.append(strip + sum(map(len, ids)))
        ids.append(np.flatnonzero(chosen)[nearest])
        weights.append(barycentrics)
    nearest, weights, faces = np.concatenate(ids), np.concatenate(weights), np.concatenate(faces)
    uvs = np.einsum("nk,nkc->nc", weights, mesh.uvs[detailed_uvs[nearest]])
    return Part("teeth", "teeth/teeth_base", proxy, detailed[nearest], weights, faces, uvs[faces])


def _nearest_on(triangles: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of the triangles [T, 3, 3] to each point, and the barycentrics of the nearest point on it."""
    nearest, barycentrics = np.zeros(len(points), int), np.zeros((len(points), 3))
    for i, point in enumerate(points):
        closest = trimesh.triangles.closest_point(triangles, np.broadcast_to(point, (len(triangles), 3)))
        nearest[i] = np.linalg.norm(closest - point, axis=1).argmin()
        chosen = slice(nearest[i], nearest[i] + 1)
        barycentrics[i] = trimesh.triangles.points_to_barycentric(triangles[chosen], closest[chosen])[0]
    return nearest, barycentrics


def _tongue(makehuman: Makehuman) -> Part:
    proxy, mesh = _load(makehuman, "tongue", "tongue01")
    return _copied("tongue", "tongue/tongue01", proxy, mesh, *mesh.triangles())


def _load(makehuman: Makehuman, folder: str, name: str) -> tuple[Proxy, ObjMesh]:
    proxy = load_proxy(makehuman.proxies(folder)[name])
    return proxy, load_obj(proxy.obj_path)


def _copied(name: str, source: str, proxy: Proxy | None, mesh: ObjMesh, triangles: np.ndarray, uv_ids: np.ndarray):
    ids, faces = np.unique(triangles, return_inverse=True)
    weights = np.tile([1.0, 0.0, 0.0], (len(ids), 1))
    return Part(name, source, proxy, np.repeat(ids[:, None], 3, 1), weights, faces.reshape(-1, 3), mesh.uvs[uv_ids])


def _components(triangles: np.ndarray, count: int) -> np.ndarray:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _close_hole(triangles: np.ndarray, uv_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adds a fan over the single boundary loop."""
    starts, ends = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    edges = set(zip(starts.tolist(), ends.tolist(), strict=True))
    following = {b: a for a, b in edges if (b, a) not in edges}
    loop = [min(following)]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    fan = np.array([[loop[0], loop[k], loop[k + 1]] for k in range(1, len(loop) - 1)])
    uv_of = dict(zip(starts.tolist(), uv_ids.ravel().tolist(), strict=True))
    fan_uvs = np.array([[uv_of[vertex] for vertex in triangle] for triangle in fan.tolist()])
    return np.concatenate([triangles, fan]), np.concatenate([uv_ids, fan_uvs])
