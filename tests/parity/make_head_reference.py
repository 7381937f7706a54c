"""Runs smplx's FLAME on a generated model file and keeps its vertices: the reference of test_head_matches_smplx.py."""

import pickle
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import smplx
import torch
from flame_file import head_pose, write_flame_pickle

MODEL_SEED, POSE_SEED, COUNT = 1, 2, 3
OUTPUT = Path(__file__).parent / "head_smplx.npz"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_flame_pickle(Path(folder) / "FLAME_NEUTRAL.pkl", MODEL_SEED)
        with (Path(folder) / "flame_static_embedding.pkl").open("wb") as file:
            pickle.dump({"lmk_face_idx": np.zeros(51, np.int64), "lmk_b_coords": np.full((51, 3), 1 / 3)}, file)
        model = smplx.FLAME(
            folder, num_betas=300, num_expression_coeffs=100, use_face_contour=False, dtype=torch.float64
        )
    pose = {name: torch.tensor(values) for name, values in head_pose(POSE_SEED, COUNT).items()}
    output = model(
        betas=pose["shape"],
        expression=pose["expression"],
        global_orient=pose["root"],
        neck_pose=pose["neck"],
        jaw_pose=pose["jaw"],
        leye_pose=pose["left_eye"],
        reye_pose=pose["right_eye"],
        transl=pose["translation"],
    )
    np.savez_compressed(
        OUTPUT,
        vertices=output.vertices.detach().numpy().astype(np.float32),
        model_seed=MODEL_SEED,
        pose_seed=POSE_SEED,
        versions=f"smplx {version('smplx')}, torch {version('torch')}, numpy {version('numpy')}",
    )


if __name__ == "__main__":
    main()
