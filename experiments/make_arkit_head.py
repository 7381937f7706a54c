"""Makes omg_jax/assets/arkit_head.npz, the built-in head, from MakeHuman's CC0 base mesh, targets and ARKit face units.

    python experiments/make_arkit_head.py --makehuman PATH

PATH is a folder of MakeHuman assets that holds 3dobjs/base.obj (with the "face units" target pack). The landmarks are
placed by what the face landmarker sees on 84 renders of the head; the script prints how well they agree (mm), and
writes the same to experiments/results/arkit_head.json.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from arkit_head import bases, embedding, looks, parts, rig
from arkit_head.draw import view
from record import write_result
from skimage.measure import points_in_poly

from omg_jax.data.makehuman import Makehuman
from omg_jax.head.model import JOINT_NAMES, NUM_JOINTS
from omg_jax.tracking.face_mesh import INNER_LIPS, LEFT_EYELIDS, OUTER_LIPS, RIGHT_EYELIDS
from omg_jax.tracking.landmarks import FaceLandmarker

COMMAND = "python experiments/make_arkit_head.py --makehuman PATH"
ASSET = Path(__file__).parents[1] / "omg_jax" / "assets" / "arkit_head.npz"
WORLD_UNITS_PER_DECIMETRE = 0.5
# The point between the eyeballs, seen from the origin (decimetres): the origin stands where FLAME's does.
EYES_FROM_ORIGIN = np.array([0.0, 0.23, 0.30])
# What a target that shifts an ear moves by at least this share of its largest movement is ear.
EAR_THRESHOLD = 0.9
# Skin that follows the head less than this is neck.
NECK_THRESHOLD = 0.9
# The lips' outline is enlarged by this factor; they reach this far (world units) behind their corners.
LIP_MARGIN, LIP_DEPTH = 1.06, 0.02
YAWS, PITCHES = (-45, -30, -15, 0, 15, 30, 45), (-15, 0, 15)
REPORTED = {
    "eyelids": (*RIGHT_EYELIDS, *LEFT_EYELIDS),
    "irises": embedding.IRISES,
    "mouth": (*OUTER_LIPS, *INNER_LIPS),
    "nose": (1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 115, 168, 195, 197, 220, 275, 278, 294, 326, 327, 344, 440),
    "eyebrows": (46, 52, 53, 55, 63, 65, 66, 70, 105, 107, 276, 282, 283, 285, 293, 295, 296, 300, 334, 336),
    "jaw": (58, 93, 132, 136, 148, 149, 150, 152, 172, 176, 234, 288, 323, 361, 365, 377, 378, 379, 397, 400, 454),
    "upper oval": (10, 21, 54, 67, 103, 109, 127, 162, 251, 284, 297, 332, 338, 356, 389),
}


@dataclass
class Options:
    """What to make the head from, and where to write it."""

    makehuman: Path
    """Folder of MakeHuman assets."""
    output: Path = ASSET
    """The head file."""


def build(makehuman: Makehuman) -> dict[str, np.ndarray]:
    """All arrays of the head file, without landmarks, in world units."""
    neutral = bases.neutral_base(makehuman)
    pieces = parts.head_parts(makehuman, neutral)
    rows = parts.part_rows(pieces)
    rest = parts.place(pieces, neutral, neutral)
    faces, face_uvs = parts.join_faces(pieces)

    expressions = np.stack([parts.place(pieces, neutral + d, neutral) for d in bases.expression_offsets(makehuman)])
    expressions -= rest
    # Eyeballs turn by eye_pose: the eyeLook units, the only ones that move them, keep to the lids.
    expressions[:, np.concatenate([rows["left_eyeball"], rows["right_eyeball"]])] = 0
    shape_names, identity = bases.identity_offsets(makehuman, pieces[0].source_ids[:, 0])
    shapes = np.stack([parts.place(pieces, neutral + d, neutral + d) for d in identity]) - rest

    origin = np.mean([neutral[ids].mean(axis=0) for ids in parts.HELPER_EYES.values()], axis=0) - EYES_FROM_ORIGIN
    still = np.linalg.norm(expressions, axis=2).max(axis=0) < rig.STILL
    return {
        "template": ((rest - origin) * WORLD_UNITS_PER_DECIMETRE).astype(np.float32),
        "shape_basis": (np.moveaxis(shapes, 0, 2) * WORLD_UNITS_PER_DECIMETRE).astype(np.float16),
        "expression_basis": (np.moveaxis(expressions, 0, 2) * WORLD_UNITS_PER_DECIMETRE).astype(np.float16),
        "joint_regressor": regressor(makehuman, pieces, neutral, identity, rest, shapes, still).astype(np.float32),
        "skinning_weights": rig.skinning_weights(makehuman, pieces, faces, rest - origin).astype(np.float32),
        "faces": faces.astype(np.uint16),
        "face_uvs": face_uvs.astype(np.float32),
        "shape_names": np.array(shape_names),
        "expression_names": np.array(bases.EXPRESSION_NAMES),
        "source_names": np.array([piece.source for piece in pieces]),
        "source_part": np.repeat(np.arange(len(pieces)), [len(piece.source_ids) for piece in pieces]).astype(np.uint8),
        "source_vertex_ids": np.concatenate([piece.source_ids for piece in pieces]).astype(np.uint16),
        "source_weights": np.concatenate([piece.source_weights for piece in pieces]).astype(np.float32),
        "origin_decimetres": origin,
        **{f"region_{name}": ids.astype(np.uint16) for name, ids in regions(makehuman, pieces, rows).items()},
    }


def regressor(makehuman, pieces, neutral, identity, rest, shapes, still) -> np.ndarray:
    """Joint regressor [5, V]: the root is the middle of the collar, the eyes the middles of the eyeballs.

    Neck and jaw are MakeHuman's, regressed from skin that no expression moves.
    """
    rows = parts.part_rows(pieces)
    weights = np.zeros((NUM_JOINTS, len(rest)))
    collar = rig.collar(parts.join_faces(pieces)[0], rest)
    weights[0, collar] = 1 / len(collar)
    positions = rig.joint_positions(makehuman, neutral)
    slopes = np.stack([rig.joint_positions(makehuman, neutral + d) for d in identity], axis=2) - positions[..., None]
    for row, name in enumerate(("neck", "jaw")):
        near = np.linalg.norm(rest - positions[row], axis=1) < rig.REACH
        candidates = rows["skin"][(still & near)[rows["skin"]]]
        joint = JOINT_NAMES.index(name)
        weights[joint] = rig.regress_joint(positions[row], slopes[row], rest, np.moveaxis(shapes, 0, 2), candidates)
    for name in ("left_eye", "right_eye"):
        ids = rows[f"{name}ball"]
        weights[JOINT_NAMES.index(name)] = rig.regress_eye(rig.sphere_centre(rest[ids]), rest, ids)
    return weights


def regions(makehuman: Makehuman, pieces: list[parts.Part], rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Vertex ids by name: the parts, neck and ears. The lips follow from the landmarks."""
    source = pieces[0].source_ids[:, 0]
    ears = np.zeros(len(source), bool)
    for name in (n for n in makehuman.target_names("ears") if n.endswith(("ear-trans-up", "ear-trans-forward"))):
        moved = np.linalg.norm(makehuman.offsets({name: 1.0})[source], axis=1)
        ears |= moved > EAR_THRESHOLD * moved.max()
    head = rig.base_weights(makehuman)[source, 1:].sum(axis=1)
    return rows | {"ears": np.flatnonzero(ears), "neck": np.flatnonzero(head < NECK_THRESHOLD)}


def lips(arrays: dict[str, np.ndarray], found: embedding.Embedding) -> np.ndarray:
    """Skin inside the lips' outline, seen from in front, a little enlarged."""
    template = arrays["template"].astype(np.float64)
    corners = template[arrays["faces"][found.faces[list(OUTER_LIPS)]]]
    outline = np.einsum("lk,lkc->lc", found.barycentrics[list(OUTER_LIPS)], corners)
    middle = outline.mean(axis=0)
    skin = arrays["region_skin"].astype(int)
    near = template[skin, 2] > outline[:, 2].min() - LIP_DEPTH
    return skin[near & points_in_poly(template[skin, :2], (middle + LIP_MARGIN * (outline - middle))[:, :2])]


def observe(makehuman: Makehuman, arrays: dict[str, np.ndarray]) -> embedding.Observations:
    """Draws every look from every side and asks the landmark net."""
    template, basis = arrays["template"].astype(np.float64), arrays["shape_basis"].astype(np.float64)
    shape_names = arrays["shape_names"].tolist()
    skin = arrays["source_vertex_ids"][arrays["region_skin"], 0].astype(int)
    cameras = [view(yaw, pitch) for yaw in YAWS for pitch in PITCHES]
    landmarker = FaceLandmarker()
    pixels, heads = [], []
    for portrait in looks.portraits(makehuman, arrays["origin_decimetres"], skin):
        sliders = portrait.look.sliders
        head = template + sum(w * basis[..., shape_names.index(name)] for name, w in sliders.items())
        for camera in cameras:
            found = landmarker(portrait.draw(camera))
            if found is None:
                raise ValueError(f"no face is seen on the render of {portrait.look.skin}; check its picture")
            pixels.append(found.points[:, :2].astype(np.float64))
            heads.append(head)
    return embedding.Observations(np.stack(pixels), cameras * len(looks.LOOKS), np.stack(heads))


def landmarks(arrays: dict[str, np.ndarray], seen: embedding.Observations) -> embedding.Embedding:
    """Where the landmarks lie on the head."""
    template, faces = arrays["template"].astype(np.float64), arrays["faces"].astype(int)
    front = embedding.front_triangles(template, faces, seen.cameras[: len(YAWS) * len(PITCHES)])
    eyeballs = np.concatenate([arrays["region_left_eyeball"], arrays["region_right_eyeball"]])

    def triangles(ids: np.ndarray) -> np.ndarray:
        return np.flatnonzero(front & np.isin(faces, ids).all(axis=1))

    return embedding.embed(seen, template, faces, triangles(arrays["region_skin"]), triangles(eyeballs))


def report(found: embedding.Embedding) -> dict:
    """Reprojection errors (mm) of the landmarks by region."""
    table = {}
    for name, ids in REPORTED.items():
        rms = found.rms[list(ids)]
        table[name] = {"landmarks": len(rms), "median": np.median(rms), "p90": np.percentile(rms, 90)}
    below = {f"below_{limit}_mm": int(np.sum(found.rms < limit)) for limit in (3, 4, 6)}
    return {"rms_mm": {"median": np.median(found.rms), "p95": np.percentile(found.rms, 95), **below}, "regions": table}


def main(options: Options) -> None:
    makehuman = Makehuman(options.makehuman)
    arrays = build(makehuman)
    found = landmarks(arrays, observe(makehuman, arrays))
    arrays |= {
        "landmark_faces": found.faces.astype(np.uint16),
        "landmark_barycentrics": found.barycentrics.astype(np.float32),
        "landmark_sigmas": (found.rms / embedding.MILLIMETRES_PER_UNIT).astype(np.float32),
        "landmark_weights": embedding.landmark_weights(len(found.faces)),
        "region_lips": lips(arrays, found).astype(np.uint16),
    }
    np.savez_compressed(options.output, **arrays)
    print(json.dumps(write_result("arkit_head", COMMAND, summary(options.output, arrays, found)), indent=1))


def summary(output: Path, arrays: dict[str, np.ndarray], found: embedding.Embedding) -> dict:
    """What was made, for experiments/results."""
    counts = {key.removeprefix("region_"): len(ids) for key, ids in arrays.items() if key.startswith("region_")}
    return {
        "vertices": len(arrays["template"]),
        "faces": len(arrays["faces"]),
        "mebibytes": round(output.stat().st_size / 2**20, 2),
        "region_vertices": counts,
        "landmarks": report(found),
    }


if __name__ == "__main__":
    main(tyro.cli(Options))
