"""What the evaluations share: portraits, baselines that need no network, the network's pictures, and the measures.

Everything works on pictures of 512 x 512 on black. Frame 0 is the source, all others are targets.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import ndimage

from omg_jax.geometry.camera import world_to_pixels
from omg_jax.geometry.visibility import barycentrics, points_visible, zbuffer
from omg_jax.head.model import HeadModel, head_vertices
from omg_jax.losses.perceptual import PerceptualParams, feature_distance, lpips_features
from omg_jax.losses.photometric import ssim
from omg_jax.models.omg import OMG, Source
from omg_jax.models.state import merge_model, split_model
from omg_jax.types import Camera, HeadParams

SIZE = 512
FLOW_BLUR = 24.0  # pixels; how smoothly the mesh's motion goes on outside of it
NECK_FADE = 90.0  # pixels below the lowest visible head point over which the motion fades out
VISIBILITY_TOLERANCE = 0.02  # world units


class Portrait(NamedTuple):
    """Frames of one person: pictures on black in [0, 1], mattes, and the tracked or known head of each frame."""

    images: Float[np.ndarray, "t 512 512 3"]
    mattes: Float[np.ndarray, "t 512 512"]
    params: HeadParams
    camera: Camera


def frame(portrait: Portrait, index: int) -> tuple[HeadParams, Camera]:
    """A frame's head in the source's shape, and its camera."""
    params, camera = jax.tree.map(lambda x: jnp.asarray(x[index]), (portrait.params, portrait.camera))
    return params._replace(shape_params=jnp.asarray(portrait.params.shape_params[0])), camera


class SurfaceMap(NamedTuple):
    """Where a target's pixels lie in the source; whether the source shows them; whether they are on the mesh."""

    source_pixels: Float[Array, "h w 2"]
    shown: Bool[Array, "h w"]
    covered: Bool[Array, "h w"]


@jax.jit
def surface_map(head: HeadModel, source: tuple[HeadParams, Camera], target: tuple[HeadParams, Camera]) -> SurfaceMap:
    """Follows the mesh's surface from the target back to the source."""
    size = (SIZE, SIZE)
    (source_vertices, source_camera), (vertices, camera) = (
        (head_vertices(head, params), camera) for params, camera in (source, target)
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


def sample(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Bilinear samples of a picture at pixel positions (x, y); borders repeat."""
    where = np.stack([pixels[..., 1] - 0.5, pixels[..., 0] - 0.5])
    return np.stack([ndimage.map_coordinates(image[..., c], where, order=1, mode="nearest") for c in range(3)], axis=-1)


def project_photo(
    head: HeadModel, portrait: Portrait, index: int, *, over_photo: bool
) -> Float[np.ndarray, "512 512 3"]:
    """The photo's colours on the target's mesh, over black or over the photo itself.

    Pixels of the mesh that the photo does not show take the nearest pixel's colour that it does.
    """
    found = jax.tree.map(np.asarray, surface_map(head, frame(portrait, 0), frame(portrait, index)))
    picture = sample(portrait.images[0], found.source_pixels)
    nearest = ndimage.distance_transform_edt(~found.shown, return_distances=False, return_indices=True)
    picture = picture[nearest[0], nearest[1]]
    background = portrait.images[0] if over_photo else np.zeros_like(picture)
    return np.where(found.covered[..., None], picture, background)


def mesh_flow(head: HeadModel, portrait: Portrait, index: int) -> Float[np.ndarray, "512 512 3"]:
    """The photo, warped backward by the mesh's motion inside the head and its smooth continuation outside.

    The continuation fades out below the head: shoulders do not turn with it.
    """
    found = jax.tree.map(np.asarray, surface_map(head, frame(portrait, 0), frame(portrait, index)))
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    flow = found.source_pixels - np.stack([columns, rows], axis=-1)
    nearest = ndimage.distance_transform_edt(~found.shown, return_distances=False, return_indices=True)
    extended = flow[nearest[0], nearest[1]]
    smooth = np.stack([ndimage.gaussian_filter(extended[..., c], FLOW_BLUR, mode="nearest") for c in range(2)], axis=-1)
    bottom = np.nonzero(found.covered.any(axis=1))[0].max()
    fade = np.clip(1.0 - (rows - (bottom - NECK_FADE)) / NECK_FADE, 0.0, 1.0)[..., None]
    flow = np.where(found.covered[..., None], extended, smooth * fade)
    return sample(portrait.images[0], np.stack([columns, rows], axis=-1) + flow)


def network_pictures(
    model: OMG, tokens: tuple[Array, ...], portrait: Portrait, lods: tuple[int, ...]
) -> dict[int, list[Float[np.ndarray, "512 512 3"]]]:
    """The refined pictures of every target at these levels of detail, clipped to [0, 1]. Built once from frame 0."""
    graphdef, params, constants = split_model(model)
    source_params, source_camera = jax.tree.map(lambda x: x[None], frame(portrait, 0))
    source = Source(
        jnp.asarray(portrait.images[:1]), jnp.asarray(portrait.mattes[:1]), tokens, source_params, source_camera
    )
    built = _build(graphdef, params, constants, source, lods)
    pictures: dict[int, list] = {lod: [] for lod in lods}
    for index in range(1, len(portrait.images)):
        target = jax.tree.map(lambda x: x[None], frame(portrait, index))
        for lod in lods:
            pictures[lod].append(np.asarray(_play(graphdef, params, constants, built, *target, lod))[0])
    return pictures


def _build_model(graphdef, params, constants, source, lods):
    return merge_model(graphdef, params, constants).build(source, lods)


def _play_model(graphdef, params, constants, built, target_params, camera, lod):
    model = merge_model(graphdef, params, constants)
    gaussians = model.pose(built, target_params.shape_params, target_params, lod)
    _, refined, _ = model.render(gaussians, camera, (SIZE, SIZE))
    return jnp.clip(refined, 0.0, 1.0)


_build = jax.jit(_build_model, static_argnums=(0, 4))
_play = jax.jit(_play_model, static_argnums=(0, 6))


def head_mask(head: HeadModel, portrait: Portrait, index: int) -> Bool[np.ndarray, "512 512"]:
    """Pixels of a frame that the head's mesh covers."""
    params, camera = frame(portrait, index)
    return np.asarray(jnp.isfinite(_head_depth(head, params, camera)))


@jax.jit
def _head_depth(head: HeadModel, params: HeadParams, camera: Camera) -> Array:
    return zbuffer(head_vertices(head, params), head.faces, camera, (SIZE, SIZE)).depth


class Ruler:
    """Compares pictures with their targets: whole, inside and outside the head's mesh."""

    def __init__(self, perceptual: PerceptualParams):
        self._perceptual = perceptual
        self._features = jax.jit(lpips_features)
        self._distance = jax.jit(feature_distance)
        self._ssim = jax.jit(ssim)

    def features(self, image: Float[np.ndarray, "512 512 3"]) -> tuple[Array, ...]:
        """The perceptual network's features of a picture."""
        return self._features(self._perceptual, jnp.asarray(image)[None])

    def __call__(
        self, picture: np.ndarray, target: np.ndarray, mask: np.ndarray, target_features: tuple[Array, ...] | None
    ) -> dict[str, float]:
        """PSNR (dB), SSIM, and LPIPS where the target's features are given; PSNR inside and outside the mask."""
        squared = np.mean(np.square(picture - target), axis=-1)
        measures = {
            "psnr": decibels(squared),
            "ssim": float(self._ssim(jnp.asarray(picture, jnp.float32)[None], jnp.asarray(target)[None])[0]),
            "psnr_head": decibels(squared[mask]),
            "psnr_outside": decibels(squared[~mask]),
        }
        if target_features is not None:
            features = self.features(np.asarray(picture, np.float32))
            measures["lpips"] = float(self._distance(self._perceptual, features, target_features)[0])
        return measures


def decibels(squared_errors: np.ndarray) -> float:
    """PSNR of values in [0, 1] from their squared errors."""
    return float(-10.0 * np.log10(max(float(np.mean(squared_errors)), 1e-10)))


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure over the rows that have it."""
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in rows[0]}
