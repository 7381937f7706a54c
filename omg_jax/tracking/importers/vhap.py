"""Reads what VHAP exports, which LAM and GaussianAvatars read too: transforms.json, flame_param/*.npz, pictures.

Source convention: transforms.json has a frame per picture with transform_matrix [4, 4] from camera to world in OpenGL's
axes (x right, y up, z back), fl_x, fl_y, cx, cy, w, h in pixels, timestep_index, camera_index, and the paths of the
picture, its matte and its flame_param. The latter holds FLAME 2023's translation, rotation, neck_pose, jaw_pose,
eyes_pose (left, right), shape, expr and static_offset. Lengths are metres.
"""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError

from omg_jax.files import json_object
from omg_jax.head.flame import WORLD_UNITS_PER_METRE
from omg_jax.tracking.importers.track import ImportedTrack, Picture
from omg_jax.types import Camera, HeadParams

TRACKER, EDITION, FPS = "VHAP", "2023", 25.0
TRANSFORMS_NAME, CANONICAL_NAME = "transforms.json", "canonical_flame_param.npz"
POSE_SIZES = {"translation": 3, "rotation": 3, "neck_pose": 3, "jaw_pose": 3, "eyes_pose": 6}
NUM_VERTICES = 5023  # of FLAME; the tracker adds teeth behind these
OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def is_vhap(source: Path) -> bool:
    """Whether a path looks like such an export: a folder with transforms.json."""
    return (source / TRANSFORMS_NAME).is_file()


def read_vhap(source: Path, fps: float = FPS) -> list[ImportedTrack]:
    """The tracks of an export, one for each camera, in the order of the cameras.

    fps: of the video, which the export does not tell. ValueError where a file is missing, damaged, or has another
    layout.
    """
    path = source / TRANSFORMS_NAME
    if not path.is_file():
        raise ValueError(f"{source} is no export of {TRACKER}: it holds no {TRANSFORMS_NAME}")
    content = json_object(path.read_text())
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames:
        raise ValueError(f"{path} lists no frames; is the file complete?")
    cameras: dict[Any, list[dict]] = {}
    for number, frame in enumerate(frames):
        if "flame_param_path" not in frame:
            raise ValueError(
                f"{path}: frame {number} has no flame_param_path; expected an export of {TRACKER} for animation, got "
                f"one with {', '.join(sorted(frame))}"
            )
        frame = {**{key: value for key, value in content.items() if key != "frames"}, **frame}
        cameras.setdefault(frame.get("camera_index", 0), []).append({"timestep_index": number, **frame})
    several = len(cameras) > 1
    return [
        _track(
            source,
            f"{source.name}_camera{camera}" if several else source.name,
            sorted(ours, key=lambda frame: frame["timestep_index"]),
            fps,
        )
        for camera, ours in sorted(cameras.items())
    ]


def opencv_pose(camera_to_world: Float[np.ndarray, "t 4 4"]) -> Float[np.ndarray, "t 4 4"]:
    """world_to_camera in world units of OpenGL cameras in metres."""
    matrix = OPENGL_TO_OPENCV @ np.linalg.inv(camera_to_world.astype(np.float64))
    matrix[:, :3, 3] *= WORLD_UNITS_PER_METRE
    return matrix.astype(np.float32)


def _track(root: Path, name: str, frames: list[dict], fps: float) -> ImportedTrack:
    sizes = {_size(root, frame) for frame in frames}
    if len(sizes) != 1:
        raise ValueError(f"{root}: the pictures of one camera must share one size, got {sorted(sizes)}")
    matrices = np.array([_matrix(root, frame) for frame in frames])
    params = [_flame_param(root, root / frame["flame_param_path"]) for frame in frames]
    columns = {key: np.stack([param[key] for param in params]) for key in (*POSE_SIZES, "shape", "expr")}
    has_pictures = all("file_path" in frame for frame in frames)
    return ImportedTrack(
        name=name,
        tracker=TRACKER,
        edition=EDITION,
        head_params=HeadParams(
            shape_params=columns["shape"],
            expression_params=columns["expr"],
            global_rotation=columns["rotation"],
            neck_pose=columns["neck_pose"],
            jaw_pose=columns["jaw_pose"],
            eye_pose=columns["eyes_pose"],
            translation=columns["translation"] * np.float32(WORLD_UNITS_PER_METRE),
        ),
        camera=Camera(opencv_pose(matrices), np.stack([_intrinsics(frame) for frame in frames])),
        image_size=sizes.pop(),
        fps=fps,
        frame_numbers=tuple(int(frame["timestep_index"]) for frame in frames),
        is_portrait=False,
        picture=(lambda frame: _picture(root, frames[frame])) if has_pictures else None,
        vertex_offsets=_static_offset(params),
    )


def _size(root: Path, frame: dict) -> tuple[int, int]:
    if "w" not in frame or "h" not in frame:
        raise ValueError(f"{root / TRANSFORMS_NAME}: a frame has no w and h; expected an export of {TRACKER}")
    return int(frame["h"]), int(frame["w"])


def _matrix(root: Path, frame: dict) -> np.ndarray:
    matrix = np.array(frame.get("transform_matrix"), np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.linalg.det(matrix[:3, :3]) <= 0:
        raise ValueError(
            f"{root / TRANSFORMS_NAME}: frame {frame['timestep_index']} needs a transform_matrix of 4 x 4 numbers, a "
            f"rotation and a translation"
        )
    return matrix


def _intrinsics(frame: dict) -> Float[np.ndarray, "3 3"]:
    width, height = frame["w"], frame["h"]
    if "fl_x" in frame:
        across, down = frame["fl_x"], frame.get("fl_y", frame["fl_x"])
    else:
        across = down = 0.5 * width / math.tan(0.5 * frame["camera_angle_x"])
    centre = frame.get("cx", width / 2), frame.get("cy", height / 2)
    return np.array([[across, 0, centre[0]], [0, down, centre[1]], [0, 0, 1]], np.float32)


def _flame_param(root: Path, path: Path) -> dict[str, np.ndarray]:
    """One frame's parameters without their leading axis; the shape may stand in the canonical file alone."""
    arrays = _read_npz(path)
    if "shape" not in arrays:
        canonical = _read_npz(root / CANONICAL_NAME)
        if "shape" not in canonical:
            raise ValueError(f"neither {path} nor {root / CANONICAL_NAME} holds shape")
        arrays["shape"] = canonical["shape"]
    missing = [name for name in (*POSE_SIZES, "expr") if name not in arrays]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)}; expected a flame_param of {TRACKER}, got {sorted(arrays)}"
        )
    found = {name: arrays[name].reshape(-1) for name in (*POSE_SIZES, "shape", "expr")}
    for name, values in found.items():
        size = POSE_SIZES.get(name, values.size)
        if values.size != size or not np.isfinite(values).all():
            raise ValueError(f"{path}: {name} must be {size} finite numbers, got shape {arrays[name].shape}")
    if "static_offset" in arrays:
        found["static_offset"] = arrays["static_offset"].reshape(-1, 3)
    return found


def _static_offset(params: list[dict[str, np.ndarray]]) -> Float[np.ndarray, "v 3"] | None:
    """The person's vertex offsets in world units; the same in every frame."""
    if "static_offset" not in params[0]:
        return None
    offset = params[0]["static_offset"][:NUM_VERTICES]
    return (offset * WORLD_UNITS_PER_METRE).astype(np.float32) if len(offset) == NUM_VERTICES else None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(value, np.float32) for name, value in archive.items()}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is missing, damaged, or no .npz of plain arrays ({error})") from error


def _picture(root: Path, frame: dict) -> Picture:
    image = _read_picture(root / frame["file_path"], "RGB")
    matte = _read_picture(root / frame["fg_mask_path"], "L") if "fg_mask_path" in frame else None
    return Picture(image, matte)


def _read_picture(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert(mode))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is missing or no readable picture") from error
