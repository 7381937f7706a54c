"""The avatar file: one safetensors file that holds everything needed to animate a person, and says what made it.

Names of the arrays: ``level0.quats`` ... ``level2.features``, ``plane.means`` ... ``plane.features``, ``shape_params``,
``vertex_offsets``, ``photo``, ``source_camera.world_to_camera``, ``source_camera.intrinsics``; all float32. The
header's metadata has one entry, ``omg-avatar``: a JSON object with the fields of AvatarMeta.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from omg_jax.files import json_object, replacing
from omg_jax.types import Camera, Gaussians, HeadGaussians

METADATA_KEY = "omg-avatar"
FORMAT_VERSION = 2
NUM_LEVELS = 3


class AvatarMeta(NamedTuple):
    """What an avatar belongs to. A sha256 is 64 hexadecimal digits.

    head_name and head_sha256 name the head model whose parameters drive the avatar; preset and compat the network that
    made it (compat is "paper" or "release"); weights_sha256 that network's weights, which hold the refiner too.
    """

    format_version: int
    head_name: str
    head_sha256: str
    preset: str
    compat: str
    weights_sha256: str


class Avatar(NamedTuple):
    """What one photo becomes: Gaussian attributes for three levels of detail, and the person's own shape.

    levels: coarse to fine. plane: the Gaussians lifted off the image plane (shoulders, hair), padded to a fixed number;
    an opacity of zero means absent. shape_params: identity of the head model. vertex_offsets: world units, level 0
    vertices. photo: what the network's refiner looks up, without its background; of 0 x 0 pixels where it does not.
    source_camera: the photo's camera.
    """

    levels: tuple[HeadGaussians, ...]
    plane: Gaussians
    shape_params: Float[Array, " s"]
    vertex_offsets: Float[Array, "v 3"]
    photo: Float[Array, "h w 3"]
    source_camera: Camera
    meta: AvatarMeta


def save_avatar(path: Path | str, avatar: Avatar) -> None:
    """Writes an avatar file. It appears by rename: an interrupted save leaves an older file as it was."""
    arrays = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in named_arrays(avatar).items()}
    # One entry: safetensors writes several in no fixed order, and equal avatars must be equal files.
    metadata = {METADATA_KEY: json.dumps(avatar.meta._asdict())}
    with replacing(Path(path)) as temporary:
        save_file(arrays, temporary, metadata=metadata)


def load_avatar(path: Path | str) -> Avatar:
    """Reads an avatar file into numpy arrays.

    ValueError where the file is missing, is cut short, is not an avatar, has another format version, or has arrays that
    do not fit each other.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no avatar file at {path}; make one with: omg reconstruct PHOTO -o {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            meta = read_meta(path, file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a readable avatar file ({error}): it is cut short or of another kind; "
            f"make it again with: omg reconstruct PHOTO -o avatar.omg"
        ) from error
    check_arrays(path, arrays)
    return Avatar(
        levels=tuple(HeadGaussians(**fields_of(arrays, f"level{k}.")) for k in range(NUM_LEVELS)),
        plane=Gaussians(**fields_of(arrays, "plane.")),
        shape_params=arrays["shape_params"],
        vertex_offsets=arrays["vertex_offsets"],
        photo=arrays["photo"],
        source_camera=Camera(**fields_of(arrays, "source_camera.")),
        meta=meta,
    )


def named_arrays(avatar: Avatar) -> dict[str, ArrayLike]:
    """The avatar's arrays by their names in the file."""
    groups = {f"level{k}.": level for k, level in enumerate(avatar.levels)}
    groups |= {"plane.": avatar.plane, "source_camera.": avatar.source_camera}
    arrays = {prefix + name: array for prefix, group in groups.items() for name, array in group._asdict().items()}
    return arrays | {name: getattr(avatar, name) for name in ("shape_params", "vertex_offsets", "photo")}


def fields_of(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays under a prefix, by their field name."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def read_meta(path: Path, metadata: dict[str, str]) -> AvatarMeta:
    """AvatarMeta from a file's metadata; ValueError for a foreign file or another format version."""
    if METADATA_KEY not in metadata:
        raise ValueError(
            f"{path} is a safetensors file but no avatar: its metadata lacks {METADATA_KEY!r}; "
            f"make an avatar with: omg reconstruct PHOTO -o avatar.omg"
        )
    fields = json_object(metadata[METADATA_KEY])
    version = fields.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has avatar format version {version}, this program reads version {FORMAT_VERSION}; "
            f"make the avatar again from its photo"
        )
    missing = [name for name in AvatarMeta._fields if name not in fields]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)} in its metadata; make the avatar again from its photo")
    return AvatarMeta(**{name: fields[name] for name in AvatarMeta._fields})


def check_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """ValueError unless the arrays are the ones an avatar has, with shapes that fit each other."""
    expected = expected_shapes()
    if arrays.keys() != expected.keys():
        odd = ", ".join(sorted(arrays.keys() ^ expected.keys()))
        raise ValueError(f"{path} has not the arrays of an avatar (missing or unknown: {odd}); make the avatar again")
    sizes = {}
    for name, wanted in expected.items():
        array = arrays[name]
        if array.dtype != np.float32 or not fits(array.shape, wanted, sizes):
            raise ValueError(
                f"{path}: {name} is {array.dtype} {list(array.shape)}, expected float32 {list(wanted)} "
                f"with {sizes}; make the avatar again"
            )


def expected_shapes() -> dict[str, tuple[int | str, ...]]:
    """The shape of each array of an avatar file; a letter stands for a size that several arrays share."""
    widths = {"means": (3,), "quats": (4,), "scales": (3,), "opacities": (), "features": ("c",)}
    shapes = {}
    for k in range(NUM_LEVELS):
        shapes |= {f"level{k}.{name}": (f"n{k}", *widths[name]) for name in HeadGaussians._fields}
    shapes |= {f"plane.{name}": ("p", *widths[name]) for name in Gaussians._fields}
    shapes |= {"shape_params": ("s",), "vertex_offsets": ("n0", 3), "photo": ("h", "w", 3)}
    return shapes | {"source_camera.world_to_camera": (4, 4), "source_camera.intrinsics": (3, 3)}


def fits(shape: tuple[int, ...], wanted: tuple[int | str, ...], sizes: dict[str, int]) -> bool:
    """Whether a shape is the wanted one; a letter takes the first size it meets, which ``sizes`` remembers."""
    if len(shape) != len(wanted):
        return False
    pairs = zip(shape, wanted, strict=True)
    return all(size == (sizes.setdefault(want, size) if isinstance(want, str) else want) for size, want in pairs)
