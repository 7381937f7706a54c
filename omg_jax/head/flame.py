"""Reads a user's own FLAME model file (2020 or 2023; the licence forbids shipping one), running nothing it holds.

A FLAME pickle was written by Python 2 with numpy, scipy.sparse and chumpy arrays.
"""

import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from omg_jax.files import replacing
from omg_jax.head.array_pickle import dense, read_array_pickle
from omg_jax.head.model import JOINT_PARENTS, NUM_JOINTS, NUM_POSE_FEATURES, HeadModel

WORLD_UNITS_PER_METRE = 5.0
NUM_SHAPE = 300
NUM_EXPRESSION = 100
FIELDS = ("v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights", "f")


def load_flame(path: str | Path) -> HeadModel:
    """Reads a FLAME .pkl, or an .npz of the same fields, into world units (metres x 5). The model has no landmarks.

    Raises:
        ValueError: the file is missing or damaged, holds a class other than arrays, or its arrays are not FLAME's.
    """
    return _to_model(read_flame(path))


def convert_flame(source: str | Path, output: str | Path) -> None:
    """Writes the arrays of a FLAME model file as an .npz of plain arrays, from which load_flame makes the same model.

    Raises:
        ValueError: the source is refused (see load_flame), or the output is not named .npz.
    """
    output = Path(output)
    if output.suffix != ".npz":
        raise ValueError(f"expected an output NAME.npz for a FLAME model, got {output}")
    arrays = read_flame(source)
    with replacing(output) as temporary:
        np.savez(temporary, **arrays)


def read_flame(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a FLAME .pkl or .npz as they are stored (metres), by the names in FIELDS; raises as load_flame."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"FLAME model {path} does not exist; expected a .pkl as FLAME's site offers it, or an .npz of it"
        )
    fields = _read_npz(path) if path.suffix == ".npz" else _read_pickle(path)
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise ValueError(f"{path.name} is no FLAME model: it lacks {', '.join(missing)} (expected {', '.join(FIELDS)})")
    arrays = {name: dense(fields[name]) for name in FIELDS}
    _check_shapes(path, arrays)
    return arrays


def _read_npz(path: Path) -> dict:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read as an .npz of plain arrays ({error})") from error


def _read_pickle(path: Path) -> dict:
    fields = read_array_pickle(path)
    if not isinstance(fields, dict):
        raise ValueError(f"{path.name} is no FLAME model: expected a dict of arrays, got {type(fields).__name__}")
    return fields


def _check_shapes(path: Path, arrays: dict[str, np.ndarray]) -> None:
    count = arrays["v_template"].shape[0] if arrays["v_template"].ndim == 2 else -1
    expected = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, NUM_SHAPE + NUM_EXPRESSION),
        "posedirs": (count, 3, NUM_POSE_FEATURES),
        "J_regressor": (NUM_JOINTS, count),
        "kintree_table": (2, NUM_JOINTS),
        "weights": (count, NUM_JOINTS),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(
                f"{path.name} is no FLAME 2020 or 2023 model: expected {name} of shape {shape}, "
                f"got {arrays[name].shape}"
            )
    parents = arrays["kintree_table"][0].astype(np.int64).astype(np.int32)
    if tuple(parents[1:]) != JOINT_PARENTS[1:]:
        raise ValueError(
            f"{path.name} is no FLAME model: expected joint parents {JOINT_PARENTS}, got {parents.tolist()}"
        )
    faces = arrays["f"]
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= count:
        raise ValueError(f"{path.name}: expected triangles over {count} vertices, got faces of shape {faces.shape}")


def _to_model(arrays: dict[str, np.ndarray]) -> HeadModel:
    def world(values: np.ndarray) -> jnp.ndarray:
        return jnp.asarray(np.asarray(values, np.float64) * WORLD_UNITS_PER_METRE, jnp.float32)

    directions = arrays["shapedirs"]
    return HeadModel(
        template=world(arrays["v_template"]),
        shape_basis=world(directions[..., :NUM_SHAPE]),
        expression_basis=world(directions[..., NUM_SHAPE:]),
        pose_correctives=world(np.moveaxis(np.asarray(arrays["posedirs"]), 2, 0)),
        joint_regressor=jnp.asarray(arrays["J_regressor"], jnp.float32),
        skinning_weights=jnp.asarray(arrays["weights"], jnp.float32),
        parents=jnp.asarray(JOINT_PARENTS, jnp.int32),
        faces=jnp.asarray(arrays["f"].astype(np.int32)),
        landmark_faces=jnp.zeros((0,), jnp.int32),
        landmark_barycentrics=jnp.zeros((0, 3), jnp.float32),
    )
