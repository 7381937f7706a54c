"""Reads MakeHuman's own file formats: base mesh, targets, fitted parts (.mhclo), materials (.mhmat), skeleton, weights.

Everything is float64 numpy in the unit and axes of the files: decimetres, y up, the face looks to +z, the person's left
is +x. Vertex ids count from 0, as in targets and .mhclo files. The files come with MakeHuman (CC0); the path to them is
given by the caller.
"""

import gzip
import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Vertices = Float[np.ndarray, "v 3"]

# Only these rows of the base mesh are skin; the later ones are helpers, which carry the fitted parts, never drawn.
NUM_BODY_VERTICES = 13380


class ObjMesh(NamedTuple):
    """A mesh of triangles and quads. A triangle has -1 as its fourth entry; face_uvs is -1 where there is no uv."""

    vertices: Float[np.ndarray, "v 3"]
    uvs: Float[np.ndarray, "t 2"]
    faces: Int[np.ndarray, "f 4"]
    face_uvs: Int[np.ndarray, "f 4"]
    face_groups: Int[np.ndarray, "f"]
    group_names: tuple[str, ...]

    def triangles(self, group: str | None = None) -> tuple[Int[np.ndarray, "n 3"], Int[np.ndarray, "n 3"]]:
        """Vertex ids and uv ids of the faces (of one group, or of all), quads split along their first diagonal."""
        faces, face_uvs = self.faces, self.face_uvs
        if group is not None:
            if group not in self.group_names:
                raise ValueError(f"this mesh has no group '{group}'; it has {', '.join(self.group_names[:8])}")
            chosen = self.face_groups == self.group_names.index(group)
            faces, face_uvs = faces[chosen], face_uvs[chosen]
        second = faces[:, 3] >= 0
        split = [np.concatenate([x[:, [0, 1, 2]], x[second][:, [0, 2, 3]]]) for x in (faces, face_uvs)]
        return split[0], split[1]


class Proxy(NamedTuple):
    """A part that follows the base mesh: vertex i is sum_k weights[i, k] * base[refs[i, k]] + offsets[i] * scale.

    scale_pairs holds, for x, y and z, two base vertices whose distance along that axis, divided by scale_lengths
    (decimetres), gives the scale. deleted lists the base vertices hidden under the part.
    """

    name: str
    obj_path: Path
    material_path: Path | None
    refs: Int[np.ndarray, "n 3"]
    weights: Float[np.ndarray, "n 3"]
    offsets: Float[np.ndarray, "n 3"]
    scale_pairs: Int[np.ndarray, "3 2"]
    scale_lengths: Float[np.ndarray, "3"]
    deleted: Int[np.ndarray, "d"]

    def fit(self, base_vertices: Vertices, scale_vertices: Vertices) -> Float[np.ndarray, "n 3"]:
        """Places the part on base_vertices (all rows of the base mesh).

        scale_vertices is the same identity without expression: scaled on an open mouth, the teeth would stretch with
        the jaw.
        """
        pairs = scale_vertices[self.scale_pairs, np.arange(3)[:, None]]
        scale = np.abs(pairs[:, 0] - pairs[:, 1]) / self.scale_lengths
        return np.einsum("nk,nkc->nc", self.weights, base_vertices[self.refs]) + self.offsets * scale


class Material(NamedTuple):
    """What a renderer needs of an .mhmat file: paths of its textures (None when absent) and the diffuse tint."""

    name: str
    diffuse_texture: Path | None
    normal_texture: Path | None
    occlusion_texture: Path | None
    diffuse_colour: tuple[float, float, float]


class Skeleton(NamedTuple):
    """Bones by name: parent (None for the root), and the base vertices whose mean is the bone's head and its tail."""

    parents: dict[str, str | None]
    head_vertices: dict[str, Int[np.ndarray, "k"]]
    tail_vertices: dict[str, Int[np.ndarray, "k"]]

    def head(self, bone: str, vertices: Vertices) -> Float[np.ndarray, "3"]:
        """Position of the bone's head (the joint it turns about) on the given base vertices."""
        return vertices[self.head_vertices[bone]].mean(axis=0)


def _lines(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; expected a file of MakeHuman's asset folder") from None


def load_obj(path: str | Path) -> ObjMesh:
    """Reads a Wavefront .obj of triangles and quads: v, vt, g and f lines; everything else is ignored."""
    path = Path(path)
    vertices, uvs, corners, groups, names = [], [], [], [], []
    for line in _lines(path):
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append(words[1:4])
        elif words[0] == "vt":
            uvs.append(words[1:3])
        elif words[0] == "g":
            name = " ".join(words[1:])
            if name not in names:
                names.append(name)
            group = names.index(name)
        elif words[0] == "f":
            if not names:
                names, group = ["default"], 0
            corners.append(_face_corners(path, words[1:]))
            groups.append(group)
    if not vertices or not corners:
        raise ValueError(f"{path}: expected v and f lines of an .obj file, found {len(vertices)} and {len(corners)}")
    corners = np.array(corners, np.int32)
    return ObjMesh(
        vertices=np.array(vertices, np.float64),
        uvs=np.array(uvs, np.float64).reshape(-1, 2),
        faces=np.ascontiguousarray(corners[:, :, 0]),
        face_uvs=np.ascontiguousarray(corners[:, :, 1]),
        face_groups=np.array(groups, np.int32),
        group_names=tuple(names),
    )


def _face_corners(path: Path, words: list[str]) -> list[tuple[int, int]]:
    """(vertex, uv) ids from 0 of one f line, padded to four corners by (-1, -1)."""
    if len(words) not in (3, 4):
        raise ValueError(f"{path}: expected triangles and quads, got a face of {len(words)} corners; triangulate it")
    corners = []
    for word in words:
        ids = word.split("/")
        corners.append((int(ids[0]) - 1, int(ids[1]) - 1 if len(ids) > 1 and ids[1] else -1))
    return corners + [(-1, -1)] * (4 - len(corners))


def load_target(path: str | Path) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n 3"]]:
    """Reads a .target or .target.gz: base vertices that move, and their offsets at weight 1 (decimetres)."""
    path = Path(path)
    rows = [line.split() for line in _lines(path) if line.strip() and not line.lstrip().startswith("#")]
    if any(len(row) != 4 for row in rows):
        raise ValueError(f"{path}: expected only lines 'vertex dx dy dz'; is this a MakeHuman target?")
    indices = np.array([int(row[0]) for row in rows], np.int32)
    return indices, np.array([row[1:] for row in rows], np.float64).reshape(-1, 3)


def load_proxy(path: str | Path) -> Proxy:
    """Reads an .mhclo file: a garment, hair, eyes, teeth, tongue, brows or lashes fitted to the base mesh."""
    path = Path(path)
    keywords: dict[str, list[str]] = {}
    vertex_lines, deleted_lines = [], []
    section = vertex_lines
    for line in _lines(path):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        # Keyword lines may stand inside a section without closing it: only a leading integer marks a section's line.
        if words[0].lstrip("-").isdigit():
            section.append(words)
        elif words[0] in ("verts", "delete_verts"):
            section = vertex_lines if words[0] == "verts" else deleted_lines
        else:
            keywords[words[0]] = words[1:]
    required = ("obj_file", "x_scale", "y_scale", "z_scale")
    missing = [key for key in required if key not in keywords] + ([] if vertex_lines else ["verts"])
    if missing:
        raise ValueError(f"{path}: expected a MakeHuman .mhclo file, but it lacks {', '.join(missing)}")
    scales = [keywords[key] for key in required[1:]]
    refs, weights, offsets = _proxy_rows(path, vertex_lines)
    return Proxy(
        name=" ".join(keywords.get("name", [path.stem])),
        obj_path=path.parent / keywords["obj_file"][0],
        material_path=path.parent / keywords["material"][0] if "material" in keywords else None,
        refs=refs,
        weights=weights,
        offsets=offsets,
        scale_pairs=np.array([scale[:2] for scale in scales]).astype(np.int32),
        scale_lengths=np.array([float(scale[2]) for scale in scales]),
        deleted=_ranges(deleted_lines),
    )


def _proxy_rows(path: Path, lines: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """References, weights, offsets of the vertex lines: one integer copies that vertex, nine numbers blend three."""
    refs = np.zeros((len(lines), 3), np.int32)
    weights, offsets = np.zeros((len(lines), 3)), np.zeros((len(lines), 3))
    weights[:, 0] = 1.0
    for row, words in enumerate(lines):
        if len(words) == 1:
            refs[row] = int(words[0])
        elif len(words) == 9:
            refs[row] = [int(word) for word in words[:3]]
            weights[row], offsets[row] = np.array(words[3:], np.float64).reshape(2, 3)
        else:
            raise ValueError(f"{path}: expected 1 or 9 numbers in a vertex line, got {len(words)}: {' '.join(words)}")
    return refs, weights, offsets


def _ranges(lines: list[list[str]]) -> Int[np.ndarray, "d"]:
    """Sorted unique vertex ids of lines such as ``3 7 - 9 12`` (ranges include both ends)."""
    words = [word for line in lines for word in line]
    ids: set[int] = set()
    position = 0
    while position < len(words):
        is_range = position + 2 < len(words) and words[position + 1] == "-"
        last = int(words[position + 2 if is_range else position])
        ids.update(range(int(words[position]), last + 1))
        position += 3 if is_range else 1
    return np.array(sorted(ids), np.int32)


def load_material(path: str | Path) -> Material:
    """Reads an .mhmat file. Texture paths are resolved beside it and not checked for existence."""
    path = Path(path)
    values: dict[str, list[str]] = {}
    for line in _lines(path):
        words = line.split()
        if len(words) > 1 and not words[0].startswith(("#", "//")):
            values[words[0]] = words[1:]

    def texture(key: str) -> Path | None:
        return path.parent / " ".join(values[key]) if key in values else None

    return Material(
        name=" ".join(values.get("name", [path.stem])),
        diffuse_texture=texture("diffuseTexture"),
        normal_texture=texture("normalmapTexture"),
        occlusion_texture=texture("aomapTexture"),
        diffuse_colour=tuple(float(word) for word in values.get("diffuseColor", ["1", "1", "1"])[:3]),
    )


def load_skeleton(path: str | Path) -> Skeleton:
    """Reads an .mhskel file (JSON)."""
    content = json.loads("\n".join(_lines(Path(path))))
    if "bones" not in content or "joints" not in content:
        raise ValueError(f"{path}: expected a MakeHuman skeleton with 'bones' and 'joints', got keys {sorted(content)}")
    joints = {name: np.array(ids, np.int32) for name, ids in content["joints"].items()}
    bones = content["bones"]
    return Skeleton(
        parents={name: bone["parent"] for name, bone in bones.items()},
        head_vertices={name: joints[bone["head"]] for name, bone in bones.items()},
        tail_vertices={name: joints[bone["tail"]] for name, bone in bones.items()},
    )


def load_weights(path: str | Path) -> dict[str, tuple[Int[np.ndarray, "k"], Float[np.ndarray, "k"]]]:
    """Reads an .mhw file (JSON): per bone, the base vertices it moves and their skinning weights."""
    content = json.loads("\n".join(_lines(Path(path))))
    if "weights" not in content:
        raise ValueError(f"{path}: expected skinning weights with a 'weights' table, got keys {sorted(content)}")
    tables = {}
    for bone, pairs in content["weights"].items():
        pairs = np.array(pairs, np.float64).reshape(-1, 2)
        tables[bone] = (pairs[:, 0].astype(np.int32), pairs[:, 1])
    return tables


class Makehuman:
    """A MakeHuman asset folder: base mesh, skeleton, targets and parts by name. Files are read once, when asked for."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        if not (self.root / "3dobjs" / "base.obj").is_file():
            raise ValueError(f"{root} has no 3dobjs/base.obj; give the folder of MakeHuman assets that holds 3dobjs")
        self.target = lru_cache(maxsize=None)(self._load_target)

    @cached_property
    def base(self) -> ObjMesh:
        """The base mesh; by itself not a person: add a race and a universal macro target."""
        return load_obj(self.root / "3dobjs" / "base.obj")

    @cached_property
    def skeleton(self) -> Skeleton:
        return load_skeleton(self.root / "rigs" / "default.mhskel")

    @cached_property
    def weights(self) -> dict[str, tuple[Int[np.ndarray, "k"], Float[np.ndarray, "k"]]]:
        return load_weights(self.root / "rigs" / "default_weights.mhw")

    def target_names(self, folder: str) -> tuple[str, ...]:
        """Sorted names ("folder/name") of the targets in one folder of targets/, such as "nose" or "faceunits"."""
        files = sorted((self.root / "targets" / folder).glob("*.target*"))
        return tuple(f"{folder}/{file.name.partition('.target')[0]}" for file in files)

    def _load_target(self, name: str) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n 3"]]:
        """Offsets of one target by its name, "folder/name"."""
        for suffix in (".target", ".target.gz"):
            path = self.root / "targets" / (name + suffix)
            if path.is_file():
                return load_target(path)
        raise ValueError(f"no target '{name}' in {self.root / 'targets'}; names look like nose/nose-hump-incr")

    def offsets(self, target_weights: dict[str, float]) -> Vertices:
        """Sum of weighted targets over all rows of the base mesh (decimetres)."""
        total = np.zeros_like(self.base.vertices)
        for name, weight in target_weights.items():
            indices, offsets = self.target(name)
            np.add.at(total, indices, weight * offsets)
        return total

    def proxies(self, folder: str) -> dict[str, Path]:
        """Paths of the .mhclo files below one folder, such as "hair" or "clothes", by file name."""
        return {path.stem: path for path in sorted((self.root / folder).rglob("*.mhclo"))}
