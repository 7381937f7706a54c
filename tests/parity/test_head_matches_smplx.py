"""FLAME-format skinning against smplx's FLAME layer (float64), on a generated model file."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from omg_jax.head import head_vertices, load_flame
from omg_jax.head.flame import WORLD_UNITS_PER_METRE
from omg_jax.types import HeadParams
from tests.parity.flame_file import head_pose, write_flame_pickle
from tests.tolerances import HEAD_PARITY


def test_vertices_equal_smplx(tmp_path):
    reference = np.load(Path(__file__).parent / "head_smplx.npz")
    write_flame_pickle(tmp_path / "FLAME_NEUTRAL.pkl", int(reference["model_seed"]))
    model = load_flame(tmp_path / "FLAME_NEUTRAL.pkl")
    count = len(reference["vertices"])
    pose = {name: jnp.asarray(v, jnp.float32) for name, v in head_pose(int(reference["pose_seed"]), count).items()}
    params = HeadParams(
        shape_params=pose["shape"],
        expression_params=pose["expression"],
        global_rotation=pose["root"],
        neck_pose=pose["neck"],
        jaw_pose=pose["jaw"],
        eye_pose=jnp.concatenate([pose["left_eye"], pose["right_eye"]], axis=-1),
        translation=pose["translation"] * WORLD_UNITS_PER_METRE,
    )
    vertices = head_vertices(model, params) / WORLD_UNITS_PER_METRE
    np.testing.assert_allclose(vertices, reference["vertices"], **HEAD_PARITY)
