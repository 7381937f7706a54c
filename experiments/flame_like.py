"""Writes the built-in head as a file of FLAME's structure, with landmark embeddings beside it, to try tracking on.

    python experiments/flame_like.py FOLDER

Nothing in it is FLAME's: FOLDER/generic_model.pkl holds the built-in head's mesh and faces. Its expressions are free
coefficients that count in standard deviations, mixed from the units that do not move the jaw; the jaw turns, with
made-up correctives. The embeddings are those of the built-in head, under the names and keys that FLAME's site uses.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
import tyro

from omg_jax.head.flame import NUM_EXPRESSION, NUM_SHAPE, WORLD_UNITS_PER_METRE
from omg_jax.head.flame_landmarks import IBUG_POINTS
from omg_jax.head.load import Head, load_head
from omg_jax.head.model import JOINT_NAMES, NUM_POSE_FEATURES
from omg_jax.tracking.face_mesh import INNER_LIPS, LEFT_EYELIDS, OUTER_LIPS, RIGHT_EYELIDS

JAW_UNITS = ("jawOpen", "jawForward", "jawLeft", "jawRight", "mouthClose")
UNIT_DEVIATION = 0.25  # of the weight of a unit
CORRECTIVE = 0.02  # world units (4 mm) for an entry of R - I of one
BROWS = (46, 52, 53, 55, 63, 65, 66, 70, 105, 107, 276, 282, 283, 285, 293, 295, 296, 300, 334, 336)
NOSE = (168, 6, 197, 195, 5, 4, 129, 98, 97, 2, 326, 327, 358)
MEDIAPIPE_POINTS = (*BROWS, *RIGHT_EYELIDS, *LEFT_EYELIDS, *NOSE, *OUTER_LIPS, *INNER_LIPS)


@dataclass
class Options:
    """Where to write the files."""

    folder: tyro.conf.Positional[Path]
    """The folder that the model file and its embeddings are written into."""


def write_flame_like(folder: Path) -> Path:
    """Writes model and embeddings; returns the model's path."""
    head = load_head("arkit")
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "generic_model.pkl"
    fields = flame_fields(head)
    model.write_bytes(pickle.dumps(fields | {"bs_style": "lbs", "bs_type": "lrotmin"}, protocol=2))
    write_embeddings(head, folder)
    return model


def flame_fields(head: Head) -> dict:
    """The fields of a FLAME file, of the built-in head, in metres."""
    model = head.model
    count = model.template.shape[0]
    shapes = np.zeros((count, 3, NUM_SHAPE + NUM_EXPRESSION))
    shapes[..., : model.shape_basis.shape[-1]] = model.shape_basis
    free = [index for index, name in enumerate(head.expression_names) if name not in JAW_UNITS]
    units = np.asarray(model.expression_basis, np.float64)[..., free].reshape(-1, len(free))
    left, sizes, _ = np.linalg.svd(UNIT_DEVIATION * units, full_matrices=False)
    shapes[..., NUM_SHAPE : NUM_SHAPE + len(free)] = (left * sizes).reshape(count, 3, -1)
    weights = np.asarray(model.skinning_weights, np.float64)
    correctives = np.zeros((count, 3, NUM_POSE_FEATURES))
    jaw = JOINT_NAMES.index("jaw")
    directions = np.random.default_rng(0).normal(size=(3, 9))
    correctives[..., 9 * (jaw - 1) : 9 * jaw] = CORRECTIVE * weights[:, jaw, None, None] * directions
    return {
        "v_template": np.asarray(model.template, np.float64) / WORLD_UNITS_PER_METRE,
        "shapedirs": shapes / WORLD_UNITS_PER_METRE,
        "posedirs": correctives / WORLD_UNITS_PER_METRE,
        "J_regressor": scipy.sparse.csc_matrix(np.asarray(model.joint_regressor, np.float64)),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.int64),
        "weights": weights,
        "f": np.asarray(model.faces).astype(np.uint32),
    }


def write_embeddings(head: Head, folder: Path) -> None:
    """Writes the three files of landmarks."""
    faces, places = np.asarray(head.model.landmark_faces), np.asarray(head.model.landmark_barycentrics)
    points, ibug = np.array(MEDIAPIPE_POINTS), np.array(IBUG_POINTS)
    np.savez(
        folder / "mediapipe_landmark_embedding.npz",
        lmk_face_idx=faces[points],
        lmk_b_coords=places[points],
        landmark_indices=points,
    )
    full = {"full_lmk_faces_idx": faces[ibug][None], "full_lmk_bary_coords": places[ibug][None]}
    np.save(folder / "landmark_embedding.npy", full, allow_pickle=True)
    static = {"lmk_face_idx": faces[ibug[17:]].astype(np.uint32), "lmk_b_coords": places[ibug[17:]]}
    (folder / "flame_static_embedding.pkl").write_bytes(pickle.dumps(static, protocol=2))


if __name__ == "__main__":
    print(write_flame_like(tyro.cli(Options).folder))
