"""Parts of a portrait, in which errors are told apart: what lies outside of the head decides a whole picture's PSNR."""

import cv2
import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from omg_jax.geometry.camera import world_to_pixels
from omg_jax.geometry.visibility import zbuffer
from omg_jax.head.load import Head
from omg_jax.head.model import HeadModel, head_landmarks, head_vertices
from omg_jax.tracking.face_mesh import LEFT_EYELIDS, OUTER_LIPS, RIGHT_EYELIDS
from omg_jax.types import Camera, HeadParams

REGIONS = ("head", "outside", "mouth", "eyes", "hair", "shoulders")
PERSON = 0.5  # share of the person from which on a pixel of the matte is theirs
GROWTH = 1 / 64  # of the picture's side, by which mouth and eyes reach over their landmarks


def region_masks(
    head: Head, params: HeadParams, camera: Camera, matte: Float[np.ndarray, "h w"]
) -> dict[str, Bool[np.ndarray, "h w"]]:
    """The pixels of each of REGIONS in the frame with this head, camera and matte.

    head: what the head's mesh covers; outside: all the rest, background too. mouth, eyes: hulls of the projected
    landmarks of lips and lids, grown by GROWTH. hair, shoulders: the person outside of the head's mesh, above the
    lowest landmark (the chin) and below it. They may be empty. Regions overlap: mouth and eyes lie in the head.
    """
    height, width = matte.shape
    depth, pixels = _see(head.model, params, camera, (height, width))
    covered, points = np.isfinite(np.asarray(depth)), np.asarray(pixels)

    def hull(ids: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
        return _grown_hull(points[np.isin(head.landmark_ids, ids)], (height, width))

    beside = (matte >= PERSON) & ~covered
    above_chin = np.arange(height)[:, None] + 0.5 < points[:, 1].max()
    return {
        "head": covered,
        "outside": ~covered,
        "mouth": hull(OUTER_LIPS),
        "eyes": hull(LEFT_EYELIDS) | hull(RIGHT_EYELIDS),
        "hair": beside & above_chin,
        "shoulders": beside & ~above_chin,
    }


def _see_head(
    model: HeadModel, params: HeadParams, camera: Camera, size: tuple[int, int]
) -> tuple[Float[Array, "h w"], Float[Array, "l 2"]]:
    """Depth of the head's mesh, infinite beside it, and its landmarks in pixels."""
    vertices = head_vertices(model, params)
    pixels, _ = world_to_pixels(camera, head_landmarks(model, vertices))
    return zbuffer(vertices, model.faces, camera, size).depth, pixels


_see = jax.jit(_see_head, static_argnums=3)


def _grown_hull(points: Float[np.ndarray, "l 2"], size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Pixels of the points' convex hull and all around it, as far as GROWTH; none of less than three points."""
    drawn = np.zeros(size, np.uint8)
    if len(points) > 2:
        # OpenCV counts from the centre of the first pixel, we count from its corner.
        corners = cv2.convexHull(np.round(points - 0.5).astype(np.int32))
        cv2.fillConvexPoly(drawn, corners, 1)
    reach = round(max(size) * GROWTH)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(drawn, disc).astype(bool)
