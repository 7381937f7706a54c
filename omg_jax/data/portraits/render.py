"""Draws one frame of a person by deferred shading: a z-buffer for what is opaque, sorted layers for hair.

Pixels whose samples all see one surface are shaded once, at their middle; at edges every sample is shaded.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from omg_jax.data.portraits.cameras import project
from omg_jax.data.portraits.fragments import composite, expand, layered_fragments
from omg_jax.data.portraits.scene import Scene
from omg_jax.data.portraits.shading import Frame, Light, coverage, face_rows, material_table, shade
from omg_jax.data.portraits.textures import Atlas, pack
from omg_jax.geometry.visibility import zbuffer
from omg_jax.types import Camera

SUPERSAMPLE = 2
NUM_SAMPLES = SUPERSAMPLE**2
# Samples of one pixel whose depths differ by less than this (world units) lie on one surface.
SAME_SURFACE = 0.03
# A layer this close to the surface behind it (world units) is drawn on it: brows lie on the skin, hair on the scalp.
DEPTH_BIAS = 0.01
LEAST_ALPHA = 2.0 / 255.0
# Fragments are shaded in pieces that stay in a core's cache, all of one size: a piece costs no new compilation.
CHUNK = 16384


class Palette(NamedTuple):
    """A scene's textures, material per part, and per face the part: what does not change over a clip."""

    atlas: Atlas
    materials: Float[np.ndarray, "p m"]
    parts: Float[np.ndarray, "f"]


class Surface(NamedTuple):
    """A frame's geometry: positions, normals, strands in the head's frame, the share of sky and of each light seen."""

    vertices: Float[np.ndarray, "v 3"]
    normals: Float[np.ndarray, "v 3"]
    strands: Float[np.ndarray, "v 3"]
    openness: Float[np.ndarray, "v"]
    shadow: Float[np.ndarray, "v 3"]


def make_palette(scene: Scene) -> Palette:
    """Packs the textures of a scene's parts."""
    atlas = pack([part.texture for part in scene.parts], [part.relief for part in scene.parts])
    atlas = Atlas(*(jnp.asarray(field) for field in atlas))
    return Palette(
        atlas, material_table([part.material for part in scene.parts]), scene.face_part.astype(np.float32)
    )


def render_frame(
    scene: Scene, palette: Palette, surface: Surface, light: Light, camera: Camera, size: int
) -> Float[np.ndarray, "h w 4"]:
    """Linear premultiplied picture of size x size pixels, with the matte as its fourth channel."""
    fine = size * SUPERSAMPLE
    matrix, intrinsics = np.asarray(camera.world_to_camera), np.array(camera.intrinsics)
    intrinsics[:2] *= SUPERSAMPLE
    fine_camera = Camera(matrix, intrinsics)
    points = project(fine_camera, surface.vertices)
    rotation = matrix[:3, :3].T
    directions = (surface.normals @ rotation, surface.strands @ rotation)
    attributes = np.concatenate([*directions, surface.openness[:, None], surface.shadow], axis=1)
    rows = face_rows(points, attributes, scene.faces, scene.texels, palette.parts)
    frame = Frame(rows, *palette.atlas, palette.materials, light, scene.num_solid)

    buffers = _samples(surface.vertices, scene.solid_faces, scene.face_part, fine_camera, fine)
    depths, face_index, uniform = (np.asarray(x) for x in buffers)
    mixed = np.flatnonzero(~uniform).astype(np.int32)
    # One place per pixel, and SUPERSAMPLE ** 2 more for each pixel whose samples differ.
    places = size * size + NUM_SAMPLES * np.arange(mixed.size, dtype=np.int32)
    canvas = np.zeros((size * size + NUM_SAMPLES * mixed.size, 4), np.float32)
    depth = np.concatenate([depths[:, 0], depths[mixed].reshape(-1)])

    whole = np.flatnonzero(uniform & (face_index[:, 0] >= 0)).astype(np.int32)
    first_sample = _first_samples(size)
    middle = np.float32(0.5 * SUPERSAMPLE)
    canvas[whole] = _in_chunks(shade, frame, first_sample[whole], face_index[whole, 0], fine, middle)
    steps = np.array([row * fine + column for row in range(SUPERSAMPLE) for column in range(SUPERSAMPLE)], np.int32)
    samples = (first_sample[mixed][:, None] + steps).reshape(-1)
    hit = np.flatnonzero(face_index[mixed].reshape(-1) >= 0)
    canvas[size * size + hit] = _in_chunks(
        shade, frame, samples[hit], face_index[mixed].reshape(-1)[hit], fine, np.float32(0.5)
    )

    coarse_points = points / np.array([SUPERSAMPLE, SUPERSAMPLE, 1.0], np.float32)
    layers = layered_fragments(coarse_points, scene.faces[scene.first_layer : scene.num_faces], (size, size))
    pixels, triangles = layers.pixels, layers.triangles + np.int32(scene.first_layer)
    alpha, layer_depth = _in_chunks(coverage, frame, first_sample[pixels], triangles, fine, middle).T
    farthest = depths.max(axis=1)
    seen = np.flatnonzero((alpha > LEAST_ALPHA) & (layer_depth < farthest[pixels] + DEPTH_BIAS))
    pixels, triangles, layer_depth = pixels[seen], triangles[seen], layer_depth[seen]
    colours = _in_chunks(shade, frame, first_sample[pixels], triangles, fine, middle)
    place_of = np.arange(size * size, dtype=np.int32)
    place_of[mixed] = places
    row, step = expand(np.where(uniform[pixels], 1, NUM_SAMPLES))
    place = place_of[pixels[row]] + step
    front = np.flatnonzero(layer_depth[row] < depth[place] + DEPTH_BIAS)
    composite(place[front], colours[row[front]], canvas)
    canvas[mixed] = canvas[size * size :].reshape(-1, NUM_SAMPLES, 4).mean(axis=1)
    return canvas[: size * size].reshape(size, size, 4)


@partial(jax.jit, static_argnames="fine")
def _samples(
    vertices: Float[Array, "v 3"],
    faces: Int[Array, "f 3"],
    face_part: Int[Array, "g"],
    camera: Camera,
    fine: int,
) -> tuple[Float[Array, "p s"], Int[Array, "p s"], Bool[Array, "p"]]:
    """Depth and face of every sample of every pixel, and where one colour does for all samples of a pixel.

    One colour does where all samples see one surface (one part, at one depth), or nothing.
    """
    depth, face_index = zbuffer(vertices, faces, camera, (fine, fine))
    part = jnp.where(face_index >= 0, face_part[jnp.maximum(face_index, 0)], -1)
    depth, face_index, part = (_per_pixel(x) for x in (depth, face_index, part))
    known = jnp.where(part >= 0, depth, 0.0)
    flat = known.max(axis=1) - known.min(axis=1) < SAME_SURFACE
    return depth, face_index, flat & (part.max(axis=1) == part.min(axis=1))


def _per_pixel(samples: Array) -> Array:
    """[fine, fine] to [pixels, samples of a pixel]."""
    size = samples.shape[0] // SUPERSAMPLE
    blocks = samples.reshape(size, SUPERSAMPLE, size, SUPERSAMPLE).transpose(0, 2, 1, 3)
    return blocks.reshape(size * size, NUM_SAMPLES)


@lru_cache(maxsize=2)
def _first_samples(size: int) -> Int[np.ndarray, "p"]:
    """Flat index, in the fine picture, of each pixel's first sample."""
    row, column = np.divmod(np.arange(size * size, dtype=np.int32), np.int32(size))
    return (row * (size * SUPERSAMPLE) + column) * np.int32(SUPERSAMPLE)


def _in_chunks(function: Callable, frame: Frame, pixels: np.ndarray, triangles: np.ndarray, *rest) -> np.ndarray:
    """What a compiled function gives for all fragments, a CHUNK of them at a time."""
    count = len(pixels)
    spare = -count % CHUNK
    pixels, triangles = np.pad(pixels, (0, spare)), np.pad(triangles, (0, spare))
    parts = [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]
    results = [np.asarray(function(frame, pixels[part], triangles[part], *rest)) for part in parts]
    return np.concatenate(results)[:count] if results else np.zeros((0, 2 if function is coverage else 4), np.float32)
