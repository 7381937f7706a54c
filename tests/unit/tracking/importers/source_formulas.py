"""Other trackers' conventions, written out in float64 numpy, and examples of their files."""

import io
import json
import pickle
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from omg_jax.types import Camera

PARENTS = (-1, 0, 1, 1, 1)
GAGAVATAR_FOCAL = 12.0  # over half a picture


def on_device(camera: Camera) -> Camera:
    """A camera of numpy arrays as jax arrays."""
    return Camera(*map(jnp.asarray, camera))


def flame_vertices(fields: dict, shape, expression, rotations, offset=0.0) -> np.ndarray:
    """FLAME's linear blend skinning of one frame in metres; rotations [5, 3]: axis-angle of root to right eye."""
    codes = np.concatenate([shape, expression]).astype(np.float64)
    rest = fields["v_template"] + offset + fields["shapedirs"] @ codes
    joints = fields["J_regressor"] @ rest
    turns = Rotation.from_rotvec(rotations).as_matrix()
    rest = rest + fields["posedirs"] @ (turns[1:] - np.eye(3)).reshape(-1)
    chain = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if joint else 0)
        chain.append(chain[parent] @ local if joint else local)
    posed = 0.0
    for joint, matrix in enumerate(chain):
        moved = (rest - joints[joint]) @ matrix[:3, :3].T + matrix[:3, 3]
        posed = posed + fields["weights"][:, joint, None] * moved
    return posed


def gagavatar_record(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One frame as optim.pkl has it: a head ten units in front of a PyTorch3D camera."""
    turn = Rotation.from_rotvec(rng.normal(0.0, 0.2, 3)).as_matrix() @ np.diag([-1.0, 1.0, -1.0])
    place = rng.normal([0.0, 0.0, 10.5], [0.1, 0.1, 0.3])
    record = {
        "bbox": rng.uniform(size=4),
        "shapecode": rng.normal(size=300),
        "expcode": rng.normal(size=100),
        "posecode": np.concatenate([np.zeros(3), rng.normal(0.0, 0.2, 3)]),
        "eyecode": rng.normal(0.0, 0.2, 6),
        "transform_matrix": np.column_stack([turn, place]),
    }
    return {name: value.astype(np.float32) for name, value in record.items()}


def gagavatar_vertices(fields: dict, record: dict) -> np.ndarray:
    """In world units: FLAME in metres, times five."""
    pose, eyes = record["posecode"], record["eyecode"]
    rotations = np.stack([pose[:3], np.zeros(3), pose[3:], eyes[:3], eyes[3:]])
    return 5.0 * flame_vertices(fields, record["shapecode"], record["expcode"], rotations)


def gagavatar_view(record: dict, points: np.ndarray) -> np.ndarray:
    """PyTorch3D's view coordinates (x left, y up, z forward): row vectors times R plus T."""
    matrix = record["transform_matrix"].astype(np.float64)
    return points @ matrix[:, :3] + matrix[:, 3]


def gagavatar_pixels(view: np.ndarray) -> np.ndarray:
    """In a picture of 512 x 512: PyTorch3D's NDC has +1 at the left and at the top."""
    ndc = GAGAVATAR_FOCAL * view[:, :2] / view[:, 2:]
    return (1.0 - ndc) * 256.0


def write_gagavatar(folder: Path, records: dict[str, dict], name: str = "smoothed.pkl") -> None:
    """The pickle, and a JPEG on black per frame in img_lmdb."""
    import lmdb

    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(records))
    with lmdb.open(str(folder / "img_lmdb"), map_size=2**26) as database, database.begin(write=True) as transaction:
        for level, key in enumerate(records):
            data = io.BytesIO()
            image = np.zeros((512, 512, 3), np.uint8)
            image[100:400, 100:400] = 60 + 20 * level
            Image.fromarray(image).save(data, "JPEG", quality=95)
            transaction.put(key.encode(), data.getvalue())


def vhap_params(rng: np.random.Generator, num_vertices: int) -> list[dict[str, np.ndarray]]:
    """Three frames of flame_param: one shape and one static offset; behind FLAME's vertices come teeth."""
    same = {
        "shape": rng.normal(size=300),
        "static_offset": rng.normal(0.0, 1e-3, (1, num_vertices, 3)),
    }
    sizes = {"rotation": 3, "neck_pose": 3, "jaw_pose": 3, "eyes_pose": 6}
    frames = []
    for _ in range(3):
        poses = {name: rng.normal(0.0, 0.2, (1, size)) for name, size in sizes.items()}
        moving = {"expr": rng.normal(size=(1, 100)), "translation": rng.normal(0.0, 0.05, (1, 3))}
        frames.append({name: value.astype(np.float32) for name, value in (poses | moving | same).items()})
    return frames


def vhap_vertices(fields: dict, param: dict) -> np.ndarray:
    """In metres, static offset included."""
    rotations = np.concatenate(
        [param[name].reshape(-1, 3) for name in ("rotation", "neck_pose", "jaw_pose", "eyes_pose")]
    )
    offset = param["static_offset"][0, : len(fields["v_template"])].astype(np.float64)
    posed = flame_vertices(fields, param["shape"], param["expr"][0], rotations, offset)
    return posed + param["translation"][0].astype(np.float64)


def opengl_camera(rng: np.random.Generator, focal: float, width: int, height: int) -> dict:
    """A camera of transforms.json, a metre in front of the head."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec(rng.normal(0.0, 0.1, 3)).as_matrix()
    pose[:3, 3] = rng.normal([0.0, 0.0, 1.0], 0.02)
    lens = {"fl_x": focal, "fl_y": 1.01 * focal, "cx": 0.5 * width + 3, "cy": 0.5 * height - 2, "w": width, "h": height}
    return {**lens, "transform_matrix": pose.tolist()}


def opengl_view(camera: dict, points: np.ndarray) -> np.ndarray:
    """OpenGL's view coordinates (x right, y up, z back)."""
    pose = np.array(camera["transform_matrix"])
    return (points - pose[:3, 3]) @ pose[:3, :3]


def opengl_pixels(camera: dict, view: np.ndarray) -> np.ndarray:
    """Pixels with y down."""
    x, y = view[:, 0] / -view[:, 2], view[:, 1] / view[:, 2]
    return np.column_stack([camera["fl_x"] * x + camera["cx"], camera["fl_y"] * y + camera["cy"]])


def write_vhap(
    folder: Path, params: list[dict], cameras: list[dict], images: dict[tuple[int, int], np.ndarray]
) -> None:
    """An export of every time step seen by every camera; images by (time step, camera), mattes all white."""
    for name in ("images", "fg_masks", "flame_param"):
        (folder / name).mkdir(parents=True)
    frames = []
    for step, param in enumerate(params):
        np.savez(folder / "flame_param" / f"{step:05d}.npz", **param)
        for number, camera in enumerate(cameras):
            name = f"{step:05d}_{number:02d}.png"
            image = images[step, number]
            Image.fromarray(image).save(folder / "images" / name)
            Image.fromarray(np.full(image.shape[:2], 255, np.uint8)).save(folder / "fg_masks" / name)
            frames.append(
                {
                    "timestep_index": step,
                    "camera_index": number,
                    "file_path": f"images/{name}",
                    "fg_mask_path": f"fg_masks/{name}",
                    "flame_param_path": f"flame_param/{step:05d}.npz",
                    **camera,
                }
            )
    np.savez(folder / "canonical_flame_param.npz", shape=params[0]["shape"])
    (folder / "transforms.json").write_text(json.dumps({"frames": frames[::-1]}))
