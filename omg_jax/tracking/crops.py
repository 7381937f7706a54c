"""Rotated square windows of a picture, and the way back from their coordinates."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8


class SquareCrop(NamedTuple):
    """A square window: centre (x, y) and side in pixels of the picture; angle in radians, clockwise as seen."""

    centre: tuple[float, float]
    side: float
    angle: float = 0.0


def crop_to_picture(crop: SquareCrop, size: int) -> Float[np.ndarray, "2 3"]:
    """Affine map from a crop drawn at size x size pixels to the picture. Pixel (0, 0) has its centre at (0.5, 0.5)."""
    cosine, sine = np.cos(crop.angle), np.sin(crop.angle)
    linear = crop.side / size * np.array([[cosine, -sine], [sine, cosine]])
    offset = np.array(crop.centre) - linear @ np.array([size / 2, size / 2])
    return np.column_stack([linear, offset])


def sample_crop(
    image: UInt8[np.ndarray, "h w c"], crop: SquareCrop, size: int, *, go_on: bool = False
) -> UInt8[np.ndarray, "s s c"]:
    """Draws the window at size x size pixels; black outside the picture, or with go_on as its edges are.

    Windows much larger than ``size`` are averaged down first, so that fine texture does not alias.
    """
    shrink = crop.side / size
    if shrink > 2:
        height, width = image.shape[:2]
        small = cv2.resize(
            image, (max(1, round(width / shrink)), max(1, round(height / shrink))), interpolation=cv2.INTER_AREA
        )
        across, down = small.shape[1] / width, small.shape[0] / height
        to_small = np.diag([across, down])
        affine = to_small @ crop_to_picture(crop, size)
        image = small.reshape(*small.shape[:2], -1)
    else:
        affine = crop_to_picture(crop, size)
    # OpenCV counts from the centre of the first pixel, we count from its corner.
    affine[:, 2] += affine[:, :2] @ np.array([0.5, 0.5]) - 0.5
    border = cv2.BORDER_REPLICATE if go_on else cv2.BORDER_CONSTANT
    drawn = cv2.warpAffine(
        image, affine, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border
    )
    return drawn.reshape(size, size, -1)


def points_to_picture(points: Float[np.ndarray, "n d"], crop: SquareCrop, size: int) -> Float[np.ndarray, "n d"]:
    """Points in pixels of a drawn crop, in pixels of the picture. A third coordinate is scaled like the others."""
    affine = crop_to_picture(crop, size)
    moved = points * (crop.side / size)
    moved[:, :2] = points[:, :2] @ affine[:, :2].T + affine[:, 2]
    return moved
