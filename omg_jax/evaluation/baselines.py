"""Reenactment without training: what any network must beat. From the photo and the drivers' head parameters alone.

"repeat" is the photo, unchanged. "similarity" turns, scales and shifts it so that the head's landmarks come as near to
the driver's as they can. "projection" puts its colours on the moving mesh, over the photo that stands still. "mesh
flow" warps it by the mesh's motion, smoothly continued outside of the mesh.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import ndimage

from omg_jax.evaluation.pair import Pair, RenderPair
from omg_jax.geometry.camera import world_to_pixels
from omg_jax.geometry.visibility import barycentrics, points_visible, zbuffer
from omg_jax.head.model import HeadModel, head_landmarks, head_vertices
from omg_jax.types import Camera, HeadParams

FLOW_BLUR = 24.0  # pixels; how smoothly the mesh's motion goes on outside of it
NECK_FADE = 90.0  # pixels below the lowest visible head point over which the motion fades out
VISIBILITY_TOLERANCE = 0.02  # world units

Picture = Float[np.ndarray, "h w 3"]
Posed = tuple[HeadParams, Camera]


def make_baselines(head: HeadModel) -> dict[str, RenderPair]:
    """The baselines by name, for pairs of this head."""
    warps = {"similarity": similarity_warp, "projection": project_photo, "mesh flow": mesh_flow}
    return {"repeat": repeat_photo} | {name: functools.partial(_warped, warp, head) for name, warp in warps.items()}


def repeat_photo(pair: Pair) -> Iterator[Picture]:
    """The photo for every driver frame."""
    for _ in pair.frame_numbers:
        yield pair.source_image


def _warped(warp: Callable[..., Picture], head: HeadModel, pair: Pair) -> Iterator[Picture]:
    for index in range(len(pair.frame_numbers)):
        driver = jax.tree.map(lambda x: x[index], (pair.driver_params, pair.driver_camera))  # noqa: B023
        yield warp(head, pair.source_image, (pair.source_params, pair.source_camera), driver)


def similarity_warp(head: HeadModel, photo: Picture, source: Posed, driver: Posed) -> Picture:
    """The photo under the similarity that brings its projected landmarks nearest to the driver's; borders repeat."""
    there, here = (np.asarray(landmark_pixels(head, *posed), np.float64) for posed in (driver, source))
    scale_turn, shift = fit_similarity(there, here)
    pixels = pixel_centres(photo.shape[:2])
    return np.asarray(sample(photo, (pixels @ scale_turn.T + shift).astype(np.float32)))


def project_photo(head: HeadModel, photo: Picture, source: Posed, driver: Posed) -> Picture:
    """The photo's colours on the driver's mesh, over the photo itself.

    Pixels of the mesh that the photo does not show take the nearest pixel's colour that it does.
    """
    found = jax.tree.map(np.asarray, surface_map(head, source, driver, photo.shape[:2]))
    picture = np.asarray(sample(photo, found.source_pixels))
    return np.where(found.covered[..., None], picture[nearest_true(found.shown)], photo)


def mesh_flow(head: HeadModel, photo: Picture, source: Posed, driver: Posed) -> Picture:
    """The photo, warped backward by the mesh's motion inside the head and its smooth continuation outside.

    The continuation fades out below the head: shoulders do not turn with it.
    """
    size = photo.shape[:2]
    found = jax.tree.map(np.asarray, surface_map(head, source, driver, size))
    pixels = pixel_centres(size)
    extended = (found.source_pixels - pixels)[nearest_true(found.shown)]
    bottom = np.flatnonzero(found.covered.any(axis=1)).max(initial=0)
    fade = np.clip(1.0 - (pixels[..., 1:] - (bottom - NECK_FADE)) / NECK_FADE, 0.0, 1.0)
    flow = np.where(found.covered[..., None], extended, blur(extended) * fade)
    return np.asarray(sample(photo, pixels + flow))


class SurfaceMap(NamedTuple):
    """Where a driver's pixels lie in the photo; whether the photo shows them; whether they are on the mesh."""

    source_pixels: Float[Array, "h w 2"]
    shown: Bool[Array, "h w"]
    covered: Bool[Array, "h w"]


@functools.partial(jax.jit, static_argnums=3)
def surface_map(head: HeadModel, source: Posed, driver: Posed, size: tuple[int, int]) -> SurfaceMap:
    """Follows the mesh's surface from the driver's picture back to the photo."""
    (source_vertices, source_camera), (vertices, camera) = (
        (head_vertices(head, params), camera) for params, camera in (source, driver)
    )
    face_index = zbuffer(vertices, head.faces, camera, size).face_index
    weights = barycentrics(vertices, head.faces, camera, face_index)
    corners = source_vertices[head.faces[jnp.maximum(face_index, 0)]]
    points = jnp.sum(corners * weights[..., None], axis=-2).reshape(-1, 3)
    depth = zbuffer(source_vertices, head.faces, source_camera, size).depth
    covered = face_index >= 0
    shown = points_visible(points, depth, source_camera, VISIBILITY_TOLERANCE).reshape(size) & covered
    pixels, _ = world_to_pixels(source_camera, points)
    return SurfaceMap(pixels.reshape(*size, 2), shown, covered)


@jax.jit
def landmark_pixels(head: HeadModel, params: HeadParams, camera: Camera) -> Float[Array, "l 2"]:
    """Where the head's landmarks lie in a picture."""
    return world_to_pixels(camera, head_landmarks(head, head_vertices(head, params)))[0]


def fit_similarity(
    points: Float[np.ndarray, "n 2"], places: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, "2"]]:
    """(A, b), A a rotation times a scale, for which A p + b lies nearest to the places in the mean square.

    As complex numbers a similarity is z -> a z + b, and a is found by linear regression.
    """
    z, w = (values[:, 0] + 1j * values[:, 1] for values in (points, places))
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag], [a.imag, a.real]]), np.array([b.real, b.imag])


@jax.jit
def sample(image: Float[Array, "h w c"], pixels: Float[Array, "i j 2"]) -> Float[Array, "i j c"]:
    """Bilinear samples of a picture at pixel positions (x, y); borders repeat."""
    height, width = image.shape[:2]
    x, y = (jnp.clip(pixels[..., axis] - 0.5, 0.0, size - 1.0) for axis, size in enumerate((width, height)))
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    above = image[top, left] * (1.0 - across) + image[top, right] * across
    below = image[bottom, left] * (1.0 - across) + image[bottom, right] * across
    return above * (1.0 - down) + below * down


def nearest_true(mask: Bool[np.ndarray, "h w"]) -> tuple[np.ndarray, np.ndarray]:
    """For every pixel the row and the column of the nearest one that is true; where none is, its own."""
    if not mask.any():
        return tuple(np.indices(mask.shape))
    return tuple(ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True))


def blur(flow: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w c"]:
    """Gaussian blur by FLOW_BLUR, borders repeating, as two matrix products."""
    rows, columns = blur_matrix(flow.shape[0]), blur_matrix(flow.shape[1])
    return np.einsum("ih,hwc,jw->ijc", rows, flow, columns, optimize=True)


@functools.cache
def blur_matrix(size: int) -> Float[np.ndarray, "n n"]:
    """The matrix that blurs a column of pixels."""
    return ndimage.gaussian_filter1d(np.eye(size, dtype=np.float32), FLOW_BLUR, axis=0, mode="nearest")


@functools.cache
def pixel_centres(size: tuple[int, int]) -> Float[np.ndarray, "h w 2"]:
    """(x, y) of every pixel's centre."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32) + 0.5
    return np.stack([columns, rows], axis=-1)
