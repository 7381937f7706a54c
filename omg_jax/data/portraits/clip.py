"""Renders clips: one synthetic person, many frames with exact head parameters and cameras."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from omg_jax.data.clips import Clip
from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.basis import BodyBasis, body_basis, loose_details, shape_of
from omg_jax.data.portraits.cameras import fit_cameras, turning_torso
from omg_jax.data.portraits.develop import develop, sample_camera_look
from omg_jax.data.portraits.eyes import bulged
from omg_jax.data.portraits.light import sample_light
from omg_jax.data.portraits.look import sample_look, sample_person
from omg_jax.data.portraits.motion import Motion, sample_motion
from omg_jax.data.portraits.occlusion import LOWEST_DIRECTION, NUM_DIRECTIONS, Visibility, sky_directions, visibility
from omg_jax.data.portraits.render import Palette, Surface, make_palette, render_frame
from omg_jax.data.portraits.scene import Scene, build_scene
from omg_jax.data.portraits.wardrobe import Wardrobe
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import Head
from omg_jax.types import Camera, HeadParams

# An open mouth lets this much light in: what is seen at a jaw of OPEN_JAW is mixed in by how far the mouth is open.
OPEN_JAW = 0.6
# Directions of which an open mouth sees more than a closed one: z of a unit vector.
FRONTAL = 0.3


class PortraitAssets(NamedTuple):
    """Everything that rendering needs and that does not change from clip to clip."""

    head: Head
    basis: BodyBasis
    wardrobe: Wardrobe


class Subject(NamedTuple):
    """A dressed person: shape parameters, the base mesh without expression, the scene and what its vertices see.

    strands are those of the face at rest; opened is what the vertices see with an open mouth.
    """

    shape: Float[np.ndarray, "s"]
    identity: Float[np.ndarray, "b 3"]
    scene: Scene
    palette: Palette
    strands: Float[np.ndarray, "v 3"]
    closed: Visibility
    opened: Visibility


def load_portrait_assets(makehuman: Makehuman, head: Head) -> PortraitAssets:
    """Reads the asset pack for a head whose identities and expressions are made of MakeHuman's targets."""
    basis = body_basis(makehuman, head)
    return PortraitAssets(head, basis, Wardrobe(makehuman, basis))


def render_clip(assets: PortraitAssets, seed: int, num_frames: int, size: int = 512) -> Clip:
    """One person in `num_frames` frames of size x size pixels that differ in pose, expression and, slightly, place.

    A pure function of its arguments: the same seed gives the same clip.
    """
    rng = np.random.default_rng(seed)
    return film(rng, assets, sample_subject(rng, assets), num_frames, size)


def film(rng: np.random.Generator, assets: PortraitAssets, subject: Subject, num_frames: int, size: int) -> Clip:
    """A person in random light, before a random camera, in random motion."""
    light, camera_look = sample_light(rng), sample_camera_look(rng)
    names = assets.head.expression_names
    motions = _turned(rng, [sample_motion(rng, names) for _ in range(num_frames)])
    expressions = np.array([[motion.units.get(name, 0.0) for name in names] for motion in motions], np.float32)
    angles = np.stack([motion.yaw_pitch_roll for motion in motions])
    cameras = fit_cameras(rng, subject.identity[assets.basis.skull_rows], angles, size)
    frames = []
    for motion, expression, matrix in zip(motions, expressions, cameras.world_to_camera, strict=True):
        surface = pose_surface(assets, subject, motion, expression, light.directions @ matrix[:3, :3])
        camera = Camera(matrix, cameras.intrinsics[0])
        linear = render_frame(subject.scene, subject.palette, surface, light, camera, size)
        frames.append(develop(rng, linear, camera_look))
    images, mattes = (np.stack(x) for x in zip(*frames, strict=True))
    params = _head_params(subject.shape, expressions, motions)
    return Clip(images, mattes, params, cameras, turning_torso(cameras))


def sample_subject(rng: np.random.Generator, assets: PortraitAssets) -> Subject:
    """Draws a person, and prepares all that stays the same over a clip."""
    person = sample_person(rng)
    look = sample_look(rng, person, assets.wardrobe.names)
    shape = shape_of(rng, person, assets.head.shape_names)
    identity = assets.basis.identity(shape) + loose_details(rng, assets.wardrobe.makehuman)
    scene = build_scene(*assets.wardrobe.dress(rng, look), identity, assets.basis.scale)
    jaw = assets.basis.units[assets.head.expression_names.index("jawOpen")]
    directions = sky_directions(NUM_DIRECTIONS)
    directions = directions[directions[:, 1] > LOWEST_DIRECTION]
    frontal = directions[:, 2] > FRONTAL
    rest, open_mouth = scene.vertices(identity), scene.vertices(identity + OPEN_JAW * jaw)
    closed = visibility(rest, scene.normals(rest), scene.occluders, directions)
    opened = visibility(open_mouth, scene.normals(open_mouth), scene.occluders, directions, closed, frontal)
    return Subject(shape, identity, scene, make_palette(scene), scene.strands(rest), closed, opened)


def pose_surface(
    assets: PortraitAssets,
    subject: Subject,
    motion: Motion,
    expression: Float[np.ndarray, "e"],
    lights: Float[np.ndarray, "3 3"],
) -> Surface:
    """The person under an expression; lights are directions in the head's frame."""
    vertices = pose_vertices(assets, subject.scene, subject.identity, subject.shape, expression, motion.eye_pose)
    normals = subject.scene.normals(vertices)
    for rows, turn in zip(subject.scene.eye_rows, _eye_matrices(motion.eye_pose), strict=True):
        bulged(normals, rows, turn[:, 2])
    share = _mouth_opening(motion)
    closed, opened = subject.closed, subject.opened
    shadow = closed.shadow(lights)
    if share > 0.0:
        shadow += share * (opened.shadow(lights) - shadow)
    sky = (1.0 - share) * closed.openness + share * opened.openness
    return Surface(vertices, normals, subject.strands, sky, shadow)


def pose_vertices(
    assets: PortraitAssets,
    scene: Scene,
    identity: Float[np.ndarray, "b 3"],
    shape: Float[np.ndarray, "s"],
    expression: Float[np.ndarray, "e"],
    eye_pose: Float[np.ndarray, "6"],
) -> Float[np.ndarray, "v 3"]:
    """The scene's vertices under an expression, with the eyes turned about the head model's eye joints."""
    base = identity.copy()
    for unit in np.flatnonzero(expression):
        base += expression[unit] * assets.basis.units[unit]
    vertices = scene.vertices(base)
    joints = assets.basis.joint_template + assets.basis.joint_shape @ shape
    for rows, joint, matrix in zip(scene.eye_rows, joints[3:5], _eye_matrices(eye_pose), strict=True):
        vertices[rows] = (vertices[rows] - joint) @ matrix.T + joint
    return vertices


def _eye_matrices(eye_pose: Float[np.ndarray, "6"]) -> Float[np.ndarray, "2 3 3"]:
    return np.asarray(axis_angle_to_matrix(jnp.asarray(eye_pose.reshape(2, 3), jnp.float32)))


def _turned(rng: np.random.Generator, motions: list[Motion]) -> list[Motion]:
    """A clip's own mean direction of the head."""
    mean = np.deg2rad(rng.normal(0.0, [7.0, 3.0, 2.0]))
    return [motion._replace(yaw_pitch_roll=motion.yaw_pitch_roll + mean) for motion in motions]


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
