"""A frame with its head and camera, and what moves pixels and camera together: windows, crops, the mirror. In numpy."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from omg_jax.head.mirror import mirrored_camera, mirrored_params
from omg_jax.types import Camera, HeadParams

SQUARE = 1e-3  # by how much fx and fy may differ, relatively, where a picture is turned


class View(NamedTuple):
    """A frame: the picture on black, its matte, and where the head and the camera are."""

    image: UInt8[np.ndarray, "h w 3"]
    matte: UInt8[np.ndarray, "h w"]
    params: HeadParams
    camera: Camera


class Crop(NamedTuple):
    """A square of ``size`` pixels out of a picture: its centre (x, y in pixels), turn (radians) and zoom."""

    centre: Float[np.ndarray, "2"]
    roll: float
    zoom: float
    size: int


def pixel_of(camera: Camera, point: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2"]:
    """Where a point before the camera lies in the picture."""
    in_picture = camera.intrinsics @ (camera.world_to_camera[:3, :3] @ point + camera.world_to_camera[:3, 3])
    return in_picture[:2] / in_picture[2]


def head_centre(view: View) -> Float[np.ndarray, "2"]:
    """Where the head is: its frame has its origin near the head's centre; rigid motion is in the camera."""
    return pixel_of(view.camera, view.params.translation)


def window_of(view: View, top: int, left: int, window: int) -> View:
    """The ``window`` x ``window`` pixels from a corner on, with the camera as geometry.camera.crop_camera has it."""
    rows, columns = slice(top, top + window), slice(left, left + window)
    shift = np.array([[0, 0, left], [0, 0, top], [0, 0, 0]], np.float32)
    camera = view.camera._replace(intrinsics=view.camera.intrinsics - shift)
    return view._replace(image=view.image[rows, columns], matte=view.matte[rows, columns], camera=camera)


def fitting_crop(centre: Float[np.ndarray, "2"], roll: float, zoom: float, size: int, picture: int) -> Crop:
    """The crop nearest to what is asked for that lies within a square picture of ``picture`` pixels."""
    spread = abs(np.cos(roll)) + abs(np.sin(roll))  # of the turned square's extent over its side
    zoom = max(zoom, size * spread / picture)
    half = size * spread / (2.0 * zoom)
    return Crop(np.clip(centre, half, picture - half), roll, zoom, size)


def crop_of(view: View, crop: Crop) -> View:
    """A crop of picture and matte, and its camera: a turn in the picture is a roll of the camera.

    Cubic interpolation. The zoom is to be at least 1, or what is shrunk aliases. ValueError where the camera's pixels
    are not square: a turned picture would have no camera of ours.
    """
    focal = view.camera.intrinsics[[0, 1], [0, 1]]
    if abs(focal[0] - focal[1]) > SQUARE * focal[0]:
        raise ValueError(
            f"a picture is turned only where fx = fy, got {focal[0]:g} and {focal[1]:g}: resize the pictures, or set "
            "--train.augment.share 0"
        )
    turn = np.array([[np.cos(crop.roll), -np.sin(crop.roll)], [np.sin(crop.roll), np.cos(crop.roll)]])
    middle = np.full(2, crop.size / 2.0)
    back = turn.T / crop.zoom
    affine = np.column_stack([back, crop.centre - back @ middle])
    pixels = _transformed(np.dstack([view.image, view.matte]), affine, crop.size)
    pose, intrinsics = view.camera.world_to_camera.copy(), view.camera.intrinsics.copy()
    pose[:2] = turn @ pose[:2]
    intrinsics[:2, :2] *= crop.zoom
    intrinsics[:2, 2] = crop.zoom * turn @ (intrinsics[:2, 2] - crop.centre) + middle
    image, matte = np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
    return View(image, matte, view.params, Camera(pose, intrinsics))


def mirror_of(view: View, units: Int[np.ndarray, " e"]) -> View:
    """The mirror image of picture, matte, head and camera; units: of head.mirror.mirrored_units."""
    return View(
        image=np.ascontiguousarray(view.image[:, ::-1]),
        matte=np.ascontiguousarray(view.matte[:, ::-1]),
        params=mirrored_params(view.params, units),
        camera=mirrored_camera(view.camera, view.image.shape[1]),
    )


def _transformed(
    pixels: UInt8[np.ndarray, "h w 4"], affine: Float[np.ndarray, "2 3"], size: int
) -> UInt8[np.ndarray, "i i 4"]:
    """pixels at affine @ (x, y, 1) for every (x, y) of a square picture."""
    # RGBX: a fourth channel that is resampled as the others are, where one called alpha would weight them.
    picture = Image.frombuffer("RGBX", pixels.shape[1::-1], pixels.tobytes(), "raw", "RGBX", 0, 1)
    moved = picture.transform((size, size), Image.Transform.AFFINE, affine.ravel().tolist(), Image.Resampling.BICUBIC)
    return np.asarray(moved)
