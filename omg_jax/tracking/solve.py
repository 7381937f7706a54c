"""From a clip's landmarks to its crop window, shape and per-frame fits, and from there to a motion."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from omg_jax.geometry.camera import PORTRAIT_FOCAL, portrait_intrinsics, world_to_pixels
from omg_jax.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from omg_jax.head.load import Head
from omg_jax.head.model import head_vertices
from omg_jax.tracking.cost import FACING, FrameFit, Observation
from omg_jax.tracking.crop import PORTRAIT_SIZE, face_window, portrait_window, skull_vertices
from omg_jax.tracking.crops import SquareCrop, points_to_picture
from omg_jax.tracking.fit import fit_clip, fit_frames
from omg_jax.tracking.landmark_head import LandmarkHead, gaze_to_eye_pose, reduce_to_landmarks
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.observe import observe
from omg_jax.tracking.smoothing import Smoothness, smooth
from omg_jax.types import Camera, HeadParams

# The shape is fitted on this many frames, spread over the clip: more of them hardly change it.
SHAPE_FRAMES = 16
# Frames are fitted in batches of one size, so that one compiled program serves all clips.
BATCH = 32

# Chosen on carphone, franck and cap12: trembling falls to 0.74, 0.48 and 0.55 of the landmark net's, the reprojection
# error grows by at most 0.1 % of the eyes' distance. Depth is the least certain (2.5 mm at rest) and carries no
# expression, so it is smoothed hardest.
ROTATION = Smoothness(cutoff=1.5, speed_gain=64.0)
ACROSS = Smoothness(cutoff=1.5, speed_gain=96.0)
DEPTH = Smoothness(cutoff=0.4, speed_gain=8.0)
EXPRESSION = Smoothness(cutoff=1.5, speed_gain=24.0)
GAZE = Smoothness(cutoff=1.5, speed_gain=32.0)


class Solution(NamedTuple):
    """A person's shape, each frame's fit in the portrait's camera, and the portrait's window in the pictures."""

    shape: Float[Array, "s"]
    frames: FrameFit
    window: SquareCrop


def solve(landmarks: list[FaceLandmarks], head: Head, shape: Float[Array, "s"] | None = None) -> Solution:
    """Fits all frames of a clip. shape: the person's, where it is known; else it is fitted with the frames."""
    reduced = reduce_to_landmarks(head)
    chosen = [landmarks[index] for index in spread(len(landmarks), SHAPE_FRAMES)]
    # The window depends on the skull, and the skull on a fit: a first one is made in a window around the face.
    guess = face_window(np.stack([seen.points for seen in chosen]))
    window = portrait_window(_skull_pixels(head, _fit(reduced, head, chosen, guess, shape)))
    solution = _fit(reduced, head, chosen, window, shape)
    if len(landmarks) == len(chosen):
        return solution
    return _fit(reduced, head, landmarks, window, solution.shape)


def smooth_solution(solution: Solution, fps: float) -> Solution:
    """The solution with its motion smoothed; the shape stays."""
    rotation, translation, expression, gaze = (np.asarray(values) for values in solution.frames)
    # Rotation vectors from the first frame's pose: they do not wrap around unless the head turns by half a turn.
    turns = np.asarray(jax.jit(matrix_to_axis_angle)(rotation @ rotation[0].T))
    rotation = np.asarray(jax.jit(axis_angle_to_matrix)(smooth(turns, fps, ROTATION))) @ rotation[0]
    across, depth = smooth(translation[:, :2], fps, ACROSS), smooth(translation[:, 2:], fps, DEPTH)
    # The picture shows x / z and y / z: a smoother depth must not move the head in it.
    across = across * depth / translation[:, 2:]
    smoothed = FrameFit(
        rotation=jnp.asarray(rotation),
        translation=jnp.asarray(np.concatenate([across, depth], axis=1)),
        expression=jnp.asarray(smooth(expression, fps, EXPRESSION)),
        gaze=jnp.asarray(smooth(gaze, fps, GAZE)),
    )
    return solution._replace(frames=smoothed)


def solution_motion(solution: Solution, head: Head, fps: float, source: str) -> Motion:
    """The motion of a solution: rigid head motion lies in the camera, as in the paper."""
    params, camera = jax.tree.map(np.asarray, _pose(solution.frames, solution.shape))
    size = (PORTRAIT_SIZE, PORTRAIT_SIZE)
    return Motion(params, camera, size, float(fps), head.name, head.sha256, source)


def spread(count: int, most: int) -> list[int]:
    """At most `most` indices below count, evenly spread, the first one among them."""
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, most)).round()})


def _fit(
    reduced: LandmarkHead, head: Head, landmarks: list[FaceLandmarks], window: SquareCrop, shape: Array | None
) -> Solution:
    """Fits frames in a window's camera, together with the shape unless it is given."""
    seen = observe(landmarks, head.expression_names, window.centre, PORTRAIT_SIZE / window.side)
    focal = jnp.float32(PORTRAIT_FOCAL * PORTRAIT_SIZE / 2)
    if shape is None:
        frames, shape = fit_clip(reduced, seen, focal)
        return Solution(shape, frames, window)
    count, batches = len(landmarks), []
    for start in range(0, count, BATCH):
        indices = np.minimum(np.arange(start, start + BATCH), count - 1)
        batch = Observation(*(np.asarray(values)[indices] for values in seen))
        batches.append(jax.tree.map(np.asarray, fit_frames(reduced, batch, focal, shape)))
    frames = jax.tree.map(lambda *parts: jnp.asarray(np.concatenate(parts)[:count]), *batches)
    return Solution(shape, frames, window)


@jax.jit
def _pose(frames: FrameFit, shape: Array) -> tuple[HeadParams, Camera]:
    """Parameters and cameras of fitted frames. One program: operation by operation, each would be compiled."""
    count = frames.rotation.shape[0]
    still = jnp.zeros((count, 3))
    params = HeadParams(
        shape_params=jnp.broadcast_to(shape, (count, *shape.shape)),
        expression_params=frames.expression,
        global_rotation=still,
        neck_pose=still,
        jaw_pose=still,
        eye_pose=gaze_to_eye_pose(frames.gaze),
        translation=still,
    )
    pose = jnp.concatenate([frames.rotation @ FACING, frames.translation[..., None]], axis=-1)
    last = jnp.broadcast_to(jnp.array([0.0, 0.0, 0.0, 1.0]), (count, 1, 4))
    intrinsics = portrait_intrinsics((PORTRAIT_SIZE, PORTRAIT_SIZE))
    camera = Camera(jnp.concatenate([pose, last], axis=-2), jnp.broadcast_to(intrinsics, (count, 3, 3)))
    return params, camera


def _skull_pixels(head: Head, solution: Solution) -> Float[np.ndarray, "t v 2"]:
    """Where the skull's vertices lie in the pictures, in pixels."""
    params, camera = _pose(solution.frames, solution.shape)
    vertices = jax.jit(head_vertices)(head.model, params)
    pixels = np.asarray(jax.jit(world_to_pixels)(camera, vertices)[0])[:, skull_vertices(head)]
    return np.stack([points_to_picture(frame, solution.window, PORTRAIT_SIZE) for frame in pixels])
