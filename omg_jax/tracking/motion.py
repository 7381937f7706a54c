"""Motion: head parameters, cameras and torsos of consecutive frames, and the file that holds them."""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omg_jax.files import replacing
from omg_jax.head.load import Head
from omg_jax.head.torso import TORSO_NAMES, torso_arrays, torso_of
from omg_jax.types import Camera, HeadParams, Torso

METADATA_KEY = "metadata"
FORMAT_VERSION = 1


class Motion(NamedTuple):
    """How a head moves, and the torso below it.

    head_params, camera and torso have one leading axis of length T; the cameras belong to pictures of image_size
    (height, width). The parameters mean something only for the head model named head_name with hash head_sha256. source
    says where the motion was measured. torso: None where it was not followed.
    """

    head_params: HeadParams
    camera: Camera
    image_size: tuple[int, int]
    fps: float
    head_name: str
    head_sha256: str
    source: str
    torso: Torso | None = None


def save_motion(path: Path | str, motion: Motion) -> None:
    """Writes a motion file (.npz); it appears by rename."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"a motion file's name must end in .npz, got {path}")
    metadata = {
        "format_version": FORMAT_VERSION,
        "image_size": list(motion.image_size),
        "fps": motion.fps,
        "head_name": motion.head_name,
        "head_sha256": motion.head_sha256,
        "source": motion.source,
    }
    fields = {**motion.head_params._asdict(), **motion.camera._asdict(), **torso_arrays(motion.torso)}
    arrays = {name: np.asarray(value, np.float32) for name, value in fields.items()}
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays, **{METADATA_KEY: np.array(json.dumps(metadata))})


def load_motion(path: Path | str, head: Head) -> Motion:
    """Reads a motion file into numpy arrays.

    ValueError where the file is missing, is no motion file, or was measured with another head model than `head`.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no motion file at {path}; make one with: omg track VIDEO -o {path}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        metadata = json.loads(str(arrays.pop(METADATA_KEY)))
        motion = Motion(
            head_params=HeadParams(**{name: arrays[name] for name in HeadParams._fields}),
            camera=Camera(**{name: arrays[name] for name in Camera._fields}),
            image_size=tuple(metadata["image_size"]),
            fps=float(metadata["fps"]),
            head_name=metadata["head_name"],
            head_sha256=metadata["head_sha256"],
            source=metadata["source"],
            torso=torso_of(arrays),
        )
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a readable motion file ({type(error).__name__}): it is cut short or of another kind; "
            f"make it again with: omg track VIDEO -o {path}"
        ) from error
    check_motion(path, motion, head)
    return motion


def check_motion(path: Path, motion: Motion, head: Head) -> None:
    """ValueError where a motion belongs to another head model, or its arrays do not fit each other."""
    if (motion.head_name, motion.head_sha256) != (head.name, head.sha256):
        raise ValueError(
            f"{path} holds motion for the head {motion.head_name!r} ({motion.head_sha256[:12]}), but this is the head "
            f"{head.name!r} ({head.sha256[:12]}); track the driver again with this head"
        )
    count = motion.camera.world_to_camera.shape[0]
    sizes = {
        "shape_params": head.model.shape_basis.shape[-1],
        "expression_params": head.model.expression_basis.shape[-1],
        "eye_pose": 6,
    }
    expected = {name: (count, sizes.get(name, 3)) for name in HeadParams._fields}
    expected |= {"world_to_camera": (count, 4, 4), "intrinsics": (count, 3, 3)}
    expected |= {name: (count, 4, 4) for name in TORSO_NAMES}
    arrays = {**motion.head_params._asdict(), **motion.camera._asdict(), **torso_arrays(motion.torso)}
    for name, array in arrays.items():
        if count == 0 or array.shape != expected[name] or not np.isfinite(array).all():
            raise ValueError(
                f"{path}: {name} must be finite numbers of shape {expected[name]} with at least one frame, "
                f"got shape {array.shape}; track the driver again"
            )
