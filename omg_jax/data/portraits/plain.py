"""Clips that need no asset pack: a head model in smooth random colours, for tests of training."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from omg_jax.data.clips import Clip
from omg_jax.data.portraits.cameras import fit_cameras, turning_torso
from omg_jax.data.portraits.develop import CameraLook, develop
from omg_jax.data.portraits.light import sample_light
from omg_jax.data.portraits.shading import Light, harmonics
from omg_jax.geometry.normals import vertex_normals
from omg_jax.geometry.visibility import barycentrics, zbuffer
from omg_jax.head.load import Head
from omg_jax.head.model import head_vertices, zero_params
from omg_jax.types import Camera, HeadParams

SHAPE_SPREAD = 0.3
NUM_ACTIVE_EXPRESSIONS = 4
# Colour waves over the head: cycles per world unit.
WAVE_FREQUENCY = 0.6
REGION_COLOURS = {
    "left_eyeball": (0.75, 0.75, 0.78),
    "right_eyeball": (0.75, 0.75, 0.78),
    "teeth": (0.7, 0.65, 0.55),
    "tongue": (0.4, 0.1, 0.1),
}


def plain_clip(head: Head, seed: int, num_frames: int, size: int) -> Clip:
    """One head in its own smooth vertex colours, lit, in `num_frames` poses and expressions, size x size pixels.

    A pure function of its arguments. Nothing but the head model is needed; there is no hair and no garment.
    """
    rng = np.random.default_rng(seed)
    params = _sample_params(rng, head, num_frames)
    colours = _vertex_colours(rng, head)
    light = sample_light(rng)
    angles = np.deg2rad(np.clip(rng.normal(0.0, [15.0, 7.0, 5.0], (num_frames, 3)), -35.0, 35.0))
    vertices = np.asarray(head_vertices(head.model, params))
    above_neck = np.setdiff1d(head.regions["skin"], head.regions["neck"])
    cameras = fit_cameras(rng, vertices[0, above_neck], angles, size)
    normals = np.asarray(vertex_normals(jnp.asarray(vertices), head.model.faces))
    frames = [
        _draw(rng, head, vertices[i], normals[i], colours, light, Camera(*(x[i] for x in cameras)), size)
        for i in range(num_frames)
    ]
    images, mattes = (np.stack(x) for x in zip(*frames, strict=True))
    params = HeadParams(*(np.asarray(x) for x in params))
    return Clip(images, mattes, params, cameras, turning_torso(cameras))


def _sample_params(rng: np.random.Generator, head: Head, num_frames: int) -> HeadParams:
    """One identity, and per frame a few expression parameters and a gaze."""
    params = zero_params(head.model, (num_frames,))
    shape = SHAPE_SPREAD * rng.standard_normal(params.shape_params.shape[-1])
    expression = np.zeros(params.expression_params.shape)
    for frame in expression:
        frame[rng.integers(0, frame.size, NUM_ACTIVE_EXPRESSIONS)] = rng.uniform(0.0, 0.6, NUM_ACTIVE_EXPRESSIONS)
    gaze = np.tile(rng.normal(0.0, 0.1, (num_frames, 1, 3)) * [1.0, 1.0, 0.0], (1, 2, 1)).reshape(num_frames, 6)
    return params._replace(
        shape_params=jnp.broadcast_to(jnp.asarray(shape, jnp.float32), params.shape_params.shape),
        expression_params=jnp.asarray(expression, jnp.float32),
        eye_pose=jnp.asarray(gaze, jnp.float32),
    )


def _vertex_colours(rng: np.random.Generator, head: Head) -> Float[np.ndarray, "v 4"]:
    """Linear, opaque: a skin tone with slow waves of colour, and plain colours for eyeballs and mouth."""
    template = np.asarray(head.model.template)
    waves = 2 * np.pi * WAVE_FREQUENCY * rng.standard_normal((3, 3, 3))
    phase = rng.uniform(0.0, 2 * np.pi, (3, 3))
    pattern = np.sin(np.einsum("vc,kcj->vkj", template, waves) + phase).mean(axis=2)
    tone = rng.uniform(0.15, 0.6, 3)
    colours = np.clip(tone * (1.0 + 0.6 * pattern), 0.02, 0.9)
    for region, colour in REGION_COLOURS.items():
        colours[head.regions.get(region, [])] = colour
    return np.concatenate([colours, np.ones((len(colours), 1))], axis=1).astype(np.float32)


def _draw(
    rng: np.random.Generator,
    head: Head,
    vertices: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    colours: Float[np.ndarray, "v 4"],
    light: Light,
    camera: Camera,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    in_camera = normals @ camera.world_to_camera[:3, :3].T
    irradiance = np.stack(harmonics(*in_camera.T), axis=1) @ light.irradiance
    irradiance += np.maximum(in_camera @ light.directions.T, 0.0) @ light.colours
    lit = colours * np.concatenate([np.maximum(irradiance, 0.0), np.ones((len(colours), 1))], axis=1)
    faces = np.asarray(head.model.faces)
    face_index, weights = _seen(vertices, faces, camera, size)
    canvas = np.einsum("hwk,hwkc->hwc", weights, lit[faces[face_index]]).astype(np.float32)
    return develop(rng, canvas, CameraLook())


@partial(jax.jit, static_argnums=3)
def _seen(vertices: jax.Array, faces: jax.Array, camera: Camera, size: int) -> tuple[jax.Array, jax.Array]:
    """Face and barycentric coordinates at every pixel; these are 0 where there is no face."""
    face_index = zbuffer(vertices, faces, camera, (size, size)).face_index
    return face_index, barycentrics(vertices, faces, camera, face_index)
