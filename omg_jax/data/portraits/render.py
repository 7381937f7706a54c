"""Draws one frame of a person by deferred shading: a z-buffer for what is opaque, sorted layers for hair."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from omg_jax.data.portraits.cameras import project
from omg_jax.data.portraits.fragments import (
    CHUNK,
    Fragments,
    composite,
    interpolate,
    layered_fragments,
    visible_fragments,
)
from omg_jax.data.portraits.scene import Part, Scene
from omg_jax.data.portraits.shading import MATERIALS, Light, shade
from omg_jax.data.portraits.textures import sample_texture
from omg_jax.geometry.visibility import zbuffer
from omg_jax.types import Camera

# Samples of one pixel whose depths differ by less than this (world units) lie on one surface.
SAME_SURFACE = 0.03
LEAST_ALPHA = 1.0 / 255.0
# Linear colours above this bend towards white instead of being cut off.
SHOULDER = 0.55

_zbuffer = jax.jit(zbuffer, static_argnames="image_size")


class Surface(NamedTuple):
    """A frame's geometry: positions and normals in the head's frame, the share of sky and of each light seen."""

    vertices: Float[np.ndarray, "v 3"]
    normals: Float[np.ndarray, "v 3"]
    openness: Float[np.ndarray, "v"]
    shadow: Float[np.ndarray, "v k"]


def render_frame(
    scene: Scene, surface: Surface, light: Light, camera: Camera, size: int, supersample: int = 2
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """Picture (sRGB on black, times the matte) and matte of size x size pixels.

    camera is that of the picture; the drawing is `supersample` times as fine and averaged.
    """
    fine = size * supersample
    matrix, intrinsics = np.asarray(camera.world_to_camera), np.array(camera.intrinsics)
    intrinsics[:2] *= supersample
    points = project(Camera(matrix, intrinsics), surface.vertices)
    opaque = scene.faces[: scene.num_opaque]
    buffers = _zbuffer(surface.vertices, scene.solid_faces, Camera(matrix, intrinsics), image_size=(fine, fine))
    depth, face_index = (np.asarray(x) for x in buffers)
    attributes = np.concatenate(
        [surface.normals @ matrix[:3, :3].T, surface.openness[:, None], surface.shadow], axis=1
    ).astype(np.float32)

    canvas = np.zeros((fine * fine, 4), np.float32)
    even, single = _split_blocks(scene, depth, face_index, supersample)
    blocks = visible_fragments(points, opaque, face_index, even, 0.5 * supersample)
    samples = visible_fragments(points, opaque, face_index, single)
    canvas[samples.pixels] = _shade(scene, samples, attributes, light)
    colours = _shade(scene, blocks, attributes, light)
    for step in range(supersample**2):
        canvas[blocks.pixels + step // supersample * fine + step % supersample] = colours
    layers = layered_fragments(points, scene.faces[scene.num_opaque :], depth)
    layers = layers._replace(triangles=layers.triangles + scene.num_opaque)
    composite(layers.pixels, _shade(scene, layers, attributes, light), canvas)
    return develop(canvas.reshape(fine, fine, 4), supersample)


def _split_blocks(
    scene: Scene, depth: Float[np.ndarray, "h w"], face_index: Int[np.ndarray, "h w"], supersample: int
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Where one colour does for all samples of a pixel (its first sample is marked), and the samples left over.

    One colour does where all samples see one surface: one part, at one depth.
    """
    depth = np.where(face_index >= 0, depth, 0.0)
    part = np.where(face_index >= 0, scene.face_part[face_index], -1).astype(np.int8)

    def corners(values: np.ndarray) -> list[np.ndarray]:
        steps = range(supersample)
        return [values[row::supersample, column::supersample] for row in steps for column in steps]

    parts, depths = corners(part), corners(depth)
    even = parts[0] >= 0
    for other_part, other_depth in zip(parts[1:], depths[1:], strict=True):
        even &= (other_part == parts[0]) & (np.abs(other_depth - depths[0]) < SAME_SURFACE)
    whole = np.repeat(np.repeat(even, supersample, axis=0), supersample, axis=1)
    first = np.zeros(depth.shape, bool)
    first[::supersample, ::supersample] = even
    return first, (part >= 0) & ~whole


def develop(
    canvas: Float[np.ndarray, "hf wf 4"], supersample: int
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """Averages a linear premultiplied canvas and encodes it: sRGB times matte, and the matte."""
    height, width = canvas.shape[0] // supersample, canvas.shape[1] // supersample
    blocks = canvas.reshape(height, supersample, width, supersample, 4)
    mean = sum(blocks[:, row, :, column] for row in range(supersample) for column in range(supersample))
    mean /= supersample**2
    matte = np.clip(mean[..., 3:], 0.0, 1.0)
    colour = mean[..., :3] / np.maximum(matte, 1e-4)
    over = np.maximum(colour - SHOULDER, 0.0) / (1.0 - SHOULDER)
    colour = np.where(over > 0.0, SHOULDER + (1.0 - SHOULDER) * np.tanh(over), np.maximum(colour, 0.0))
    # The matte multiplies the encoded colour, as it does where a photo is cut out.
    image = np.sqrt(colour) * matte
    return (image * 255.0 + 0.5).astype(np.uint8), (matte[..., 0] * 255.0 + 0.5).astype(np.uint8)


def _shade(
    scene: Scene, fragments: Fragments, attributes: Float[np.ndarray, "v c"], light: Light
) -> Float[np.ndarray, "n 4"]:
    """Premultiplied colour of each fragment, part by part."""
    colours = np.empty((fragments.pixels.size, 4), np.float32)
    part_of = scene.face_part[fragments.triangles]
    for index, part in enumerate(scene.parts):
        chosen = np.flatnonzero(part_of == index)
        for start in range(0, chosen.size, CHUNK):
            rows = chosen[start : start + CHUNK]
            mine = Fragments(*(field[rows] for field in fragments))
            colours[rows] = _shade_part(scene, part, mine, attributes, light)
    return colours


def _shade_part(
    scene: Scene, part: Part, fragments: Fragments, attributes: Float[np.ndarray, "v c"], light: Light
) -> Float[np.ndarray, "n 4"]:
    albedo = sample_texture(part.texture, interpolate(fragments, scene.uvs, scene.uv_corners))
    colours = np.zeros_like(albedo)
    # Much of a hair card is clear: only what is seen is lit.
    seen = np.flatnonzero(albedo[:, 3] > LEAST_ALPHA)
    values = interpolate(Fragments(*(field[seen] for field in fragments)), attributes, scene.faces)
    normals, sky, shadow = values[:, :3], values[:, 3], values[:, 4:]
    normals = normals / np.sqrt(np.einsum("nc,nc->n", normals, normals) + 1e-12)[:, None]
    colours[seen] = shade(light, MATERIALS[part.material], albedo[seen], normals, sky, shadow)
    return colours
