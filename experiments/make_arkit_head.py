"""Makes omg_jax/assets/arkit_head.npz, the built-in head, from MakeHuman's CC0 base mesh, targets and ARKit face units.

    python experiments/make_arkit_head.py --makehuman PATH

PATH is a folder of MakeHuman assets that holds 3dobjs/base.obj (with the "face units" target pack). The landmark
embedding is made by experiments/embed_landmarks.py afterwards, which needs the head this script writes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from arkit_head import bases, parts, rig
from rich.console import Console

from omg_jax.data.makehuman import Makehuman
from omg_jax.head.model import JOINT_NAMES, NUM_JOINTS

ASSET = Path(__file__).parents[1] / "omg_jax" / "assets" / "arkit_head.npz"
WORLD_UNITS_PER_DECIMETRE = 0.5
# The point between the eyeballs, seen from the origin (decimetres): the origin stands where FLAME's does.
EYES_FROM_ORIGIN = np.array([0.0, 0.23, 0.30])
# A vertex belongs to a region if one of the region's targets moves it farther than this (decimetres).
REGION_THRESHOLD = 0.01
# Skin that follows the head less than this is neck.
NECK_THRESHOLD = 0.9


@dataclass
class Options:
    """What to make the head from."""

    makehuman: Path
    """Folder of MakeHuman assets."""
    output: Path = ASSET


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
    """Vertex ids by name: the parts, and of the skin what the targets of neck, ears and lips move."""
    source = pieces[0].source_ids[:, 0]

    def moved(names: list[str]) -> np.ndarray:
        offsets = [np.linalg.norm(makehuman.offsets({name: 1.0})[source], axis=1) for name in names]
        return np.flatnonzero(np.max(offsets, axis=0) > REGION_THRESHOLD)

    lips = [name for name in makehuman.target_names("mouth") if "lip-volume" in name]
    ears = list(makehuman.target_names("ears"))
    head = rig.base_weights(makehuman)[source, 1:].sum(axis=1)
    return rows | {"lips": moved(lips), "ears": moved(ears), "neck": np.flatnonzero(head < NECK_THRESHOLD)}


def main(options: Options) -> None:
    arrays = build(Makehuman(options.makehuman))
    arrays |= {
        "landmark_faces": np.zeros(0, np.uint16),
        "landmark_barycentrics": np.zeros((0, 3), np.float32),
        "landmark_sigmas": np.zeros(0, np.float32),
        "landmark_weights": np.zeros(0, np.float32),
    }
    np.savez_compressed(options.output, **arrays)
    console = Console()
    console.print(f"{options.output}: {options.output.stat().st_size / 2**20:.2f} MiB")
    console.print(f"{len(arrays['template'])} vertices, {len(arrays['faces'])} faces")
    for name in sorted(key for key in arrays if key.startswith("region_")):
        console.print(f"  {name.removeprefix('region_')}: {len(arrays[name])} vertices")


if __name__ == "__main__":
    main(tyro.cli(Options))
