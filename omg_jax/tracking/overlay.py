"""Pictures that show how well a tracked head lies on its photo."""

import cv2
import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from omg_jax.geometry.camera import world_to_pixels
from omg_jax.head.load import Head
from omg_jax.head.model import head_landmarks, head_vertices
from omg_jax.types import Camera, HeadParams

MESH_COLOUR, SEEN_COLOUR, FITTED_COLOUR = (90, 220, 255), (60, 255, 60), (255, 60, 60)
SUBPIXEL_BITS = 3


def overlay_head(
    image: UInt8[np.ndarray, "h w 3"],
    head: Head,
    params: HeadParams,
    camera: Camera,
    seen: Float[np.ndarray, "l 2"] | None = None,
    opacity: float = 0.35,
) -> UInt8[np.ndarray, "h w 3"]:
    """One frame with the head's mesh drawn over it, hidden faces left out.

    seen: landmarks in pixels of the picture; they are drawn in green, the head's own in red.
    """
    vertices = jax.jit(head_vertices)(head.model, params)
    pixels = np.asarray(_pixels(camera, vertices))
    faces = np.asarray(head.model.faces)
    triangles = list(_fixed_point(pixels[faces[_towards_camera(pixels, faces)]]))
    drawn = cv2.polylines(image.copy(), triangles, True, MESH_COLOUR, 1, cv2.LINE_AA, SUBPIXEL_BITS)
    drawn = cv2.addWeighted(drawn, opacity, image, 1.0 - opacity, 0.0)
    if seen is not None:
        own = np.asarray(_pixels(camera, head_landmarks(head.model, vertices)))
        for points, colour in ((own, FITTED_COLOUR), (seen, SEEN_COLOUR)):
            for point in _fixed_point(points):
                cv2.circle(drawn, point.tolist(), 8, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    return drawn


@jax.jit
def _pixels(camera: Camera, points: Float[Array, "n 3"]) -> Float[Array, "n 2"]:
    return world_to_pixels(camera, points)[0]


def _towards_camera(pixels: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces whose corners run counter-clockwise seen from outside: clockwise in an image whose y points down."""
    a, b, c = (pixels[faces[:, k]] for k in range(3))
    first, second = b - a, c - a
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0


def _fixed_point(pixels: np.ndarray) -> np.ndarray:
    """Pixels as OpenCV draws them: from the first pixel's centre, with fraction bits."""
    return np.round((pixels - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
