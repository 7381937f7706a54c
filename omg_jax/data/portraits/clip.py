"""Renders clips: one synthetic person, many frames with exact head parameters and cameras."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from omg_jax.data.clips import Clip
from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.basis import BodyBasis, body_basis, shape_of
from omg_jax.data.portraits.cameras import fit_cameras
from omg_jax.data.portraits.look import sample_look, sample_person
from omg_jax.data.portraits.motion import Motion, sample_motion
from omg_jax.data.portraits.occlusion import light_shadow, openness
from omg_jax.data.portraits.render import Surface, render_frame
from omg_jax.data.portraits.scene import Scene, build_scene
from omg_jax.data.portraits.shading import sample_light
from omg_jax.data.portraits.wardrobe import Wardrobe
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import Head
from omg_jax.types import Camera, HeadParams

# An open mouth lets this much light in: the openness at a jaw of OPEN_JAW is mixed in by how far the mouth is open.
OPEN_JAW = 0.6


class PortraitAssets(NamedTuple):
    """Everything that rendering needs and that does not change from clip to clip."""

    head: Head
    basis: BodyBasis
    wardrobe: Wardrobe


def load_portrait_assets(makehuman: Makehuman, head: Head) -> PortraitAssets:
    """Reads the asset pack for a head whose identities and expressions are made of MakeHuman's targets."""
    return PortraitAssets(head, body_basis(makehuman, head), Wardrobe(makehuman))


def render_clip(assets: PortraitAssets, seed: int, num_frames: int, size: int = 512, supersample: int = 2) -> Clip:
    """One person in `num_frames` frames of size x size pixels that differ in pose, expression and, slightly, place.

    A pure function of its arguments: the same seed gives the same clip.
    """
    rng = np.random.default_rng(seed)
    person = sample_person(rng)
    look = sample_look(rng, person, assets.wardrobe.names)
    shape = shape_of(rng, person, assets.head.shape_names)
    light = sample_light(rng)
    identity = assets.basis.identity(shape)
    scene = build_scene(*assets.wardrobe.dress(look), identity, assets.basis.scale)
    names = assets.head.expression_names
    motions = _turned(rng, [sample_motion(rng, names) for _ in range(num_frames)])
    expressions = np.array([[motion.units.get(name, 0.0) for name in names] for motion in motions], np.float32)
    angles = np.stack([motion.yaw_pitch_roll for motion in motions])
    cameras = fit_cameras(rng, identity[assets.basis.skull_rows], angles, size)

    closed = _openness(scene, identity)
    opened = _openness(scene, identity + OPEN_JAW * assets.basis.units[names.index("jawOpen")])
    frames = []
    for motion, expression, matrix in zip(motions, expressions, cameras.world_to_camera, strict=True):
        vertices = pose_vertices(assets, scene, identity, shape, expression, motion.eye_pose)
        normals = scene.normals(vertices)
        sky = closed + _mouth_opening(motion) * (opened - closed)
        shadow = light_shadow(vertices, normals, scene.occluders, light.directions @ matrix[:3, :3])
        surface = Surface(vertices, normals, sky, shadow)
        frames.append(render_frame(scene, surface, light, Camera(matrix, cameras.intrinsics[0]), size, supersample))
    images, mattes = (np.stack(x) for x in zip(*frames, strict=True))
    return Clip(images, mattes, _head_params(shape, expressions, motions), cameras)


def pose_vertices(
    assets: PortraitAssets,
    scene: Scene,
    identity: Float[np.ndarray, "b 3"],
    shape: Float[np.ndarray, "s"],
    expression: Float[np.ndarray, "e"],
    eye_pose: Float[np.ndarray, "6"],
) -> Float[np.ndarray, "v 3"]:
    """The scene's vertices under an expression, with the eyes turned about the head model's eye joints."""
    vertices = scene.vertices(identity + np.tensordot(expression, assets.basis.units, axes=1))
    joints = assets.basis.joint_template + assets.basis.joint_shape @ shape
    for rows, joint, rotation in zip(scene.eye_rows, joints[3:5], eye_pose.reshape(2, 3), strict=True):
        matrix = np.asarray(axis_angle_to_matrix(jnp.asarray(rotation, jnp.float32)))
        vertices[rows] = (vertices[rows] - joint) @ matrix.T + joint
    return vertices


def _turned(rng: np.random.Generator, motions: list[Motion]) -> list[Motion]:
    """A clip's own mean direction of the head."""
    mean = np.deg2rad(rng.normal(0.0, [7.0, 3.0, 2.0]))
    return [motion._replace(yaw_pitch_roll=motion.yaw_pitch_roll + mean) for motion in motions]


def _openness(scene: Scene, base: Float[np.ndarray, "b 3"]) -> Float[np.ndarray, "v"]:
    vertices = scene.vertices(base)
    return openness(vertices, scene.normals(vertices), scene.occluders)


def _mouth_opening(motion: Motion) -> float:
    """How much of the light of a mouth opened to OPEN_JAW comes in."""
    units = motion.units
    lips = 0.5 * (units.get("mouthUpperUpLeft", 0.0) + units.get("mouthLowerDownLeft", 0.0))
    jaw = (units.get("jawOpen", 0.0) - units.get("mouthClose", 0.0)) / OPEN_JAW
    return min(max(jaw, lips), 1.0)


def _head_params(
    shape: Float[np.ndarray, "s"], expressions: Float[np.ndarray, "t e"], motions: list[Motion]
) -> HeadParams:
    count = len(motions)
    zeros = np.zeros((count, 3), np.float32)
    return HeadParams(
        shape_params=np.broadcast_to(shape.astype(np.float32), (count, shape.size)).copy(),
        expression_params=expressions,
        global_rotation=zeros,
        neck_pose=zeros,
        jaw_pose=zeros,
        eye_pose=np.stack([motion.eye_pose for motion in motions]).astype(np.float32),
        translation=zeros,
    )
