"""Pictures as files: of any method, to be measured; and what a method needs to make them.

A method's pictures are FOLDER/PAIR/FRAME.png, FRAME the driver frame's number in six digits. A file protocol.json
beside them, where there is one, says what they were made for, and is checked.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError

from omg_jax.evaluation.method import Method
from omg_jax.evaluation.pair import Pair
from omg_jax.evaluation.pair_sets import PairSet, pair_sha256
from omg_jax.evaluation.protocol import check_protocol, protocol_to_json
from omg_jax.files import json_object, replacing
from omg_jax.head.torso import torso_arrays
from omg_jax.tracking.people import Told, tell_nobody

PROTOCOL_NAME = "protocol.json"
CONVENTIONS = (
    "world unit 5 x metre; OpenCV cameras (x right, y down, z forward, pixel centres at +0.5); rotations as axis-angle "
    "in radians; driver parameters bear the source's shape; pictures to make: PAIR/FRAME.png, FRAME in six digits"
)


def pictures_method(folder: Path, pair_set: PairSet) -> Method:
    """The method whose pictures lie in a folder.

    ValueError where there is no such folder, or its protocol.json tells of another protocol or other data; while it is
    drawn, where that tells of other frames, or pictures are missing, are none, or have another size than the driver's.
    """
    made_for_pairs: dict[str, str] = {}
    if not folder.is_dir():
        raise ValueError(f"no folder of pictures at {folder}; expected FOLDER/PAIR/FRAME.png, FRAME in six digits")
    path = folder / PROTOCOL_NAME
    if path.is_file():
        made_for = json_object(path.read_text())
        check_protocol(made_for.get("protocol", {}), pair_set.protocol, str(path))
        if made_for.get("data", {}).get("sha256") != pair_set.data["sha256"]:
            raise ValueError(f"{path} tells of other data than {pair_set.data['name']}; make the pictures of these")
        made_for_pairs = made_for.get("pair_sha256", {})

    def draw(pair: Pair) -> Iterator[Float[np.ndarray, "h w 3"]]:
        if made_for_pairs.get(pair.name, sha256 := pair_sha256(pair)) != sha256:
            raise ValueError(f"{path} tells of other frames or heads of {pair.name}; make the pictures of these")
        check_complete(folder / pair.name, pair.frame_numbers)
        for number, driver in zip(pair.frame_numbers, pair.driver_images, strict=True):
            yield read_picture(folder / pair.name / frame_name(number), driver.shape[:2])

    return Method(draw, {"kind": "pictures"}, lambda pair_name: folder_sha256(folder / pair_name))


def frame_name(number: int) -> str:
    """The file of a driver frame's picture."""
    return f"{number:06d}.png"


def check_complete(folder: Path, frame_numbers: tuple[int, ...]) -> None:
    """ValueError where pictures of frames are missing."""
    missing = [number for number in frame_numbers if not (folder / frame_name(number)).is_file()]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(frame_numbers)} pictures are missing, the first of them is "
            f"{folder / frame_name(missing[0])}; omg evaluate --inputs writes which frames a method must draw"
        )


def read_picture(path: Path, size: tuple[int, int]) -> Float[np.ndarray, "h w 3"]:
    """An RGB picture in [0, 1]; ValueError where it cannot be read, or its (height, width) is another one."""
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(on_black(picture))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:  # Pillow's for a broken PNG chunk
        raise ValueError(f"{path} is not a readable picture; write it again") from error
    if pixels.shape[:2] != size:
        (height, width), (rows, columns) = pixels.shape[:2], size
        raise ValueError(f"{path} is {width}x{height}, expected {columns}x{rows}: draw it at the protocol's size")
    return pixels.astype(np.float32) / 255.0


def on_black(picture: Image.Image) -> Image.Image:
    """A picture as RGB; what is transparent in it shows black."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, (0, 0, 0, 255)), picture).convert("RGB")
    return picture.convert("RGB")


def save_picture(path: Path, picture: Float[np.ndarray, "h w *c"], **options) -> None:
    """Writes a picture, or a matte, in [0, 1]; its folder is made. options: of Pillow's writer."""
    with replacing(path) as temporary:
        Image.fromarray(np.round(picture * 255.0).astype(np.uint8)).save(temporary, **options)


def folder_sha256(folder: Path) -> str:
    """The sha256 of the names and bytes of a folder's pictures."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.png")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def write_protocol(folder: Path, pair_set: PairSet, sha256: dict[str, str] | None = None, **more) -> None:
    """Writes what pictures in a folder are made for; sha256: of the pairs (pair_sha256), as far as they are known."""
    content = {"protocol": protocol_to_json(pair_set.protocol), "data": pair_set.data, "pair_sha256": sha256 or {}}
    with replacing(folder / PROTOCOL_NAME) as path:
        path.write_text(json.dumps(content | more, indent=1))


def write_inputs(pair_set: PairSet, folder: Path, told: Told = tell_nobody) -> None:
    """Writes what another method needs: photos, driver frames, heads and cameras of every pair, and the protocol.

    PAIR/source.png, source_matte.png, driver_FRAME.png and params.npz with the fields of HeadParams and Camera, named
    source_* and driver_*, and driver_torso_* where the torso was followed. In self-reenactment the driver frames are
    the targets too.
    """
    frames, sha256 = {}, {}
    for count, (name, load) in enumerate(pair_set.pairs.items()):
        pair = load()
        frames[name], sha256[name] = list(pair.frame_numbers), pair_sha256(pair)
        write_pair(pair, folder / name)
        told("writing inputs", count + 1, len(pair_set.pairs))
    write_protocol(folder, pair_set, sha256, conventions=CONVENTIONS, frames=frames)


def write_pair(pair: Pair, folder: Path) -> None:
    """Writes one pair's files."""
    save_picture(folder / "source.png", pair.source_image)
    save_picture(folder / "source_matte.png", pair.source_matte)
    for number, image in zip(pair.frame_numbers, pair.driver_images, strict=True):
        save_picture(folder / f"driver_{frame_name(number)}", image)
    source = {**pair.source_params._asdict(), **pair.source_camera._asdict()}
    driver = {**pair.driver_params._asdict(), **pair.driver_camera._asdict(), **torso_arrays(pair.driver_torso)}
    arrays = {f"source_{name}": value for name, value in source.items()}
    arrays |= {f"driver_{name}": value for name, value in driver.items()}
    with replacing(folder / "params.npz") as path:
        np.savez_compressed(path, **arrays, frame_numbers=np.array(pair.frame_numbers))
