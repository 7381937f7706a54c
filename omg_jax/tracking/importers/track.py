"""What another tracker measured, in our conventions, and how it becomes a motion or a clip of portraits.

Foreign conventions are converted in this package and nowhere else: the readers (gagavatar, vhap) turn units, axes and
layouts into ours; here, rigid motion goes into the camera and pictures become portraits, as our own tracker has them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from omg_jax.geometry.camera import world_to_pixels
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import Head
from omg_jax.head.model import HeadModel, head_vertices
from omg_jax.tracking.motion import Motion
from omg_jax.types import Camera, HeadParams

PORTRAIT_SIZE = 512
FLAME_EDITIONS = ("2020", "2023")


class Picture(NamedTuple):
    """An RGB frame and its matte; None where the tracker kept no matte."""

    image: UInt8[np.ndarray, "h w 3"]
    matte: UInt8[np.ndarray, "h w"] | None


class ImportedTrack(NamedTuple):
    """One person's frames from another tracker, in our units, axes and cameras (numpy, leading axis T).

    The codes mean something to FLAME of the given edition only. picture gives frame t's picture, of image_size (height,
    width); None where the files hold no pictures. is_portrait: the pictures are the paper's crop already.
    vertex_offsets [v, 3] (world units) belong to the person and have no place in a motion; None where there are none.
    """

    name: str
    tracker: str
    edition: str
    head_params: HeadParams
    camera: Camera
    image_size: tuple[int, int]
    fps: float
    frame_numbers: tuple[int, ...]
    is_portrait: bool
    picture: Callable[[int], Picture] | None
    vertex_offsets: Float[np.ndarray, "v 3"] | None


class Portraits(NamedTuple):
    """A motion with its portraits, sRGB on black."""

    motion: Motion
    images: UInt8[np.ndarray, "t 512 512 3"]
    mattes: UInt8[np.ndarray, "t 512 512"]


def flame_edition(path: Path | str) -> str | None:
    """The edition that a FLAME file's name tells: "2020", "2023", another one in words, or None where it tells none.

    Nothing inside the files names their edition, and all have arrays of the same shapes.
    """
    name = Path(path).name.lower()
    if "no_jaw" in name:
        return "2023 without jaw"
    return next((year for year in ("2016", "2017", "2019", *FLAME_EDITIONS) if year in name), None)


def check_edition(track: ImportedTrack, flame_path: Path | str) -> None:
    """ValueError where a FLAME file's name says that it is not of the edition that a track's codes are made for."""
    found = flame_edition(flame_path)
    if found is not None and found != track.edition:
        raise ValueError(
            f"{flame_path} is FLAME {found} by its name, but codes of {track.tracker} are made for FLAME "
            f"{track.edition}, and mean other faces to another edition: give FLAME {track.edition}, or tell with "
            f"--edition {found} that the tracker was run with that edition"
        )


def imported_motion(track: ImportedTrack, head: Head) -> Motion:
    """A track as a motion: rigid motion in the camera, which shows a portrait of 512 x 512 pixels.

    ValueError where the head is not FLAME, or has fewer coefficients than the track.
    """
    track = _moved_into_camera(_fitted_to_head(track, head), head.model)
    camera = track.camera if track.is_portrait else _portrait_camera(track, head)[0]
    return _motion(track, camera, head)


def imported_portraits(
    track: ImportedTrack, head: Head, matte: Callable[[UInt8[np.ndarray, "512 512 3"]], Float[np.ndarray, "512 512"]]
) -> Portraits:
    """A track's motion and its portraits on black. matte: finds the matte of a portrait that came without one.

    ValueError as for imported_motion, and where there are no pictures.
    """
    if track.picture is None:
        raise ValueError(
            f"{track.name} of {track.tracker} has no pictures, which a clip needs: name a motion.npz instead"
        )
    track = _moved_into_camera(_fitted_to_head(track, head), head.model)
    draw = np.asarray
    camera = track.camera
    if not track.is_portrait:
        from omg_jax.tracking.crop import draw_portrait  # needs OpenCV

        camera, window = _portrait_camera(track, head)

        def draw(picture: np.ndarray) -> np.ndarray:
            return draw_portrait(picture, window)

    images, mattes = [], []
    for frame in range(len(track.frame_numbers)):
        picture = track.picture(frame)
        if picture.image.shape[:2] != track.image_size:
            raise ValueError(
                f"frame {track.frame_numbers[frame]} of {track.name} is a picture of {picture.image.shape[:2]} pixels, "
                f"expected {track.image_size}"
            )
        image = draw(picture.image)
        if picture.matte is None:
            alpha = np.round(np.asarray(matte(image)) * 255.0).astype(np.uint8)
        else:
            alpha = draw(picture.matte[..., None])[..., 0]
        images.append(np.round(image * (alpha[..., None] / 255.0)).astype(np.uint8))
        mattes.append(alpha)
    return Portraits(_motion(track, camera, head), np.stack(images), np.stack(mattes))


def _fitted_to_head(track: ImportedTrack, head: Head) -> ImportedTrack:
    """Codes of fewer coefficients than the head's, with zeros for the rest: the bases are sorted by variance."""
    if head.name != "flame":
        raise ValueError(
            f"{track.tracker} measures FLAME codes, which mean nothing to the head {head.name!r}: give the FLAME "
            f"{track.edition} file that they are made for, --head flame:PATH"
        )
    sizes = {
        "shape_params": head.model.shape_basis.shape[-1],
        "expression_params": head.model.expression_basis.shape[-1],
    }
    padded = {}
    for name, size in sizes.items():
        codes = getattr(track.head_params, name)
        if codes.shape[-1] > size:
            raise ValueError(
                f"{name} of {track.name} has {codes.shape[-1]} coefficients, but FLAME {track.edition} has {size}: "
                "the file is of another head model"
            )
        padded[name] = np.pad(codes, ((0, 0), (0, size - codes.shape[-1])))
    return track._replace(head_params=track.head_params._replace(**padded))


def _moved_into_camera(track: ImportedTrack, model: HeadModel) -> ImportedTrack:
    """The same pictures from a head whose root is at rest: its rotation and translation go into the camera.

    The head turns about its root joint, whose place depends on shape and expression.
    """
    params = track.head_params
    if not (params.global_rotation.any() or params.translation.any()):
        return track
    still = {name: np.zeros_like(getattr(params, name)) for name in HeadParams._fields if not name.endswith("_params")}
    rest = _vertices(model, params._replace(**still), track.vertex_offsets)
    root = rest.astype(np.float64).transpose(0, 2, 1) @ np.asarray(model.joint_regressor[0], np.float64)
    rotation = np.asarray(axis_angle_to_matrix(jnp.asarray(params.global_rotation)), np.float64)
    rigid = np.tile(np.eye(4), (len(root), 1, 1))
    rigid[:, :3, :3] = rotation
    rigid[:, :3, 3] = root + params.translation - np.einsum("tij,tj->ti", rotation, root)
    camera = track.camera._replace(
        world_to_camera=(track.camera.world_to_camera.astype(np.float64) @ rigid).astype(np.float32)
    )
    still = {name: still[name] for name in ("global_rotation", "translation")}
    return track._replace(head_params=params._replace(**still), camera=camera)


def _portrait_camera(track: ImportedTrack, head: Head):
    """The camera of the paper's crop around the skull, and its window (a SquareCrop)."""
    from omg_jax.tracking.crop import portrait_window, skull_vertices  # needs OpenCV

    vertices = _vertices(head.model, track.head_params)
    pixels, _ = world_to_pixels(Camera(*map(jnp.asarray, track.camera)), jnp.asarray(vertices))
    window = portrait_window(np.asarray(pixels)[:, skull_vertices(head)])
    scale = PORTRAIT_SIZE / window.side
    corner = np.asarray(window.centre) - window.side / 2
    intrinsics = track.camera.intrinsics.astype(np.float64)
    intrinsics[:, :2, 2] -= corner
    intrinsics[:, :2] *= scale
    return track.camera._replace(intrinsics=intrinsics.astype(np.float32)), window


_head_vertices = jax.jit(head_vertices)


def _vertices(model: HeadModel, params: HeadParams, offsets: np.ndarray | None = None) -> np.ndarray:
    """Vertices of all frames, some frames at a time."""
    batch, count = 64, len(params.translation)
    offsets = None if offsets is None else jnp.broadcast_to(offsets, (batch, *offsets.shape))
    parts = []
    for start in range(0, count, batch):
        rows = np.minimum(np.arange(start, start + batch), count - 1)
        parts.append(np.asarray(_head_vertices(model, jax.tree.map(lambda x, rows=rows: x[rows], params), offsets)))
    return np.concatenate(parts)[:count]


def _motion(track: ImportedTrack, camera: Camera, head: Head) -> Motion:
    size = (PORTRAIT_SIZE, PORTRAIT_SIZE)
    source = f"{track.name}, by {track.tracker}"
    params = HeadParams(*(np.asarray(x, np.float32) for x in track.head_params))
    return Motion(
        params, Camera(*(np.asarray(x, np.float32) for x in camera)), size, track.fps, head.name, head.sha256, source
    )
