"""Heads by name: the built-in ARKit head that ships with the package, or a user's FLAME file."""

import hashlib
import io
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from omg_jax.head.flame import NUM_EXPRESSION, NUM_SHAPE, load_flame
from omg_jax.head.flame_landmarks import IRISES, NUM_POINTS, iris_landmarks, join, read_flame_landmarks
from omg_jax.head.model import (
    JOINT_NAMES,
    JOINT_PARENTS,
    NUM_POSE_FEATURES,
    HeadModel,
    head_landmarks,
    joint_positions,
)

ARKIT_ASSET = "arkit_head.npz"


class Head(NamedTuple):
    """A head model with what is known about it; `model` alone is what computation needs.

    sha256 is that of the arrays that give parameters their meaning (see model_sha256): codes of one head mean nothing
    to another. regions maps a name to the ids of its vertices; both heads have skin, neck, left_eyeball and
    right_eyeball, the ARKit head also lips, ears, teeth and tongue. landmark_ids [l] tells which of the 478 points of
    the face mesh each landmark is; landmark_sigmas [l] is how well its place on the head is known (world units, root
    mean square); landmark_weights [l] is 1, or less for landmarks that slide over the surface as the head turns.
    """

    model: HeadModel
    name: str
    sha256: str
    shape_names: tuple[str, ...]
    expression_names: tuple[str, ...]
    regions: dict[str, np.ndarray]
    landmark_ids: np.ndarray
    landmark_sigmas: np.ndarray
    landmark_weights: np.ndarray


def load_head(spec: str) -> Head:
    """Loads the head that `spec` names: "arkit", or "flame:PATH" with the path of a FLAME .pkl or .npz file.

    A FLAME head has landmarks where an embedding lies beside its file (see flame_landmarks).

    Raises:
        ValueError: the name is neither, or the FLAME file or an embedding beside it is refused.
    """
    kind, _, path = spec.partition(":")
    if spec == "arkit":
        return _load_arkit()
    if kind == "flame" and path:
        return _load_flame_head(Path(path))
    raise ValueError(f'unknown head "{spec}"; expected "arkit" or "flame:PATH" with the path of a FLAME .pkl or .npz')


def model_sha256(model: HeadModel) -> str:
    """The identity of a head model: a hash of all its arrays but the landmarks, which may be placed better some day."""
    digest = hashlib.sha256()
    for name, array in model._asdict().items():
        if not name.startswith("landmark_"):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _load_arkit() -> Head:
    data = resources.files("omg_jax").joinpath("assets", ARKIT_ASSET).read_bytes()
    with np.load(io.BytesIO(data)) as archive:
        arrays = dict(archive)
    num_vertices = arrays["template"].shape[0]
    model = HeadModel(
        template=jnp.asarray(arrays["template"], jnp.float32),
        shape_basis=jnp.asarray(arrays["shape_basis"], jnp.float32),
        expression_basis=jnp.asarray(arrays["expression_basis"], jnp.float32),
        pose_correctives=jnp.zeros((NUM_POSE_FEATURES, num_vertices, 3), jnp.float32),
        joint_regressor=jnp.asarray(arrays["joint_regressor"], jnp.float32),
        skinning_weights=jnp.asarray(arrays["skinning_weights"], jnp.float32),
        parents=jnp.asarray(JOINT_PARENTS, jnp.int32),
        faces=jnp.asarray(arrays["faces"], jnp.int32),
        landmark_faces=jnp.asarray(arrays["landmark_faces"], jnp.int32),
        landmark_barycentrics=jnp.asarray(arrays["landmark_barycentrics"], jnp.float32),
    )
    prefix = "region_"
    return Head(
        model=model,
        name="arkit",
        sha256=model_sha256(model),
        shape_names=tuple(str(name) for name in arrays["shape_names"]),
        expression_names=tuple(str(name) for name in arrays["expression_names"]),
        regions={key[len(prefix) :]: value.astype(np.int32) for key, value in arrays.items() if key.startswith(prefix)},
        landmark_ids=np.arange(NUM_POINTS, dtype=np.int32),
        landmark_sigmas=arrays["landmark_sigmas"],
        landmark_weights=arrays["landmark_weights"],
    )


def _load_flame_head(path: Path) -> Head:
    model = load_flame(path)
    regions = _regions_by_joint(np.asarray(model.skinning_weights))
    landmarks = read_flame_landmarks(path, len(model.faces))
    if len(landmarks.ids):
        eyeballs = {joint: regions[f"{joint}ball"] for joint in IRISES.values()}
        template, faces, joints = (np.asarray(x) for x in (model.template, model.faces, joint_positions(model)))
        landmarks = join(landmarks, iris_landmarks(template, faces, joints, eyeballs, _iris_directions(_load_arkit())))
    model = model._replace(
        landmark_faces=jnp.asarray(landmarks.faces, jnp.int32),
        landmark_barycentrics=jnp.asarray(landmarks.barycentrics, jnp.float32),
    )
    return Head(
        model=model,
        name="flame",
        sha256=model_sha256(model),
        shape_names=tuple(f"shape_{i:03d}" for i in range(NUM_SHAPE)),
        expression_names=tuple(f"expression_{i:03d}" for i in range(NUM_EXPRESSION)),
        regions=regions,
        landmark_ids=landmarks.ids,
        landmark_sigmas=landmarks.sigmas,
        landmark_weights=landmarks.weights,
    )


def _iris_directions(head: Head) -> Float[np.ndarray, "10 3"]:
    """Where points 468 to 477 lie, seen from the joints of their eyes, on a head that looks straight ahead."""
    irises = np.asarray(head_landmarks(head.model, head.model.template))[min(IRISES) :]
    joints = np.asarray(joint_positions(head.model))[[JOINT_NAMES.index(joint) for joint in IRISES.values()]]
    return irises - np.repeat(joints, 5, axis=0)


def _regions_by_joint(weights: np.ndarray) -> dict[str, np.ndarray]:
    """FLAME files name no regions: each vertex goes with the joint that moves it most."""
    strongest = weights.argmax(axis=1)
    left, right = JOINT_NAMES.index("left_eye"), JOINT_NAMES.index("right_eye")
    return {
        "skin": np.flatnonzero((strongest != left) & (strongest != right)).astype(np.int32),
        "neck": np.flatnonzero(strongest == JOINT_NAMES.index("root")).astype(np.int32),
        "left_eyeball": np.flatnonzero(strongest == left).astype(np.int32),
        "right_eyeball": np.flatnonzero(strongest == right).astype(np.int32),
    }
