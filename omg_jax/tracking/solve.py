"""From a clip's landmarks to its crop window, shape and per-frame fits, and from there to a motion."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from omg_jax.geometry.camera import PORTRAIT_FOCAL, portrait_intrinsics, world_to_pixels
from omg_jax.head.load import Head
from omg_jax.head.model import head_vertices
from omg_jax.tracking.cost import FACING, NUM_GAZE, FrameFit, Observation
from omg_jax.tracking.crop import PORTRAIT_SIZE, face_window, portrait_window, skull_vertices
from omg_jax.tracking.crops import SquareCrop, points_to_picture
from omg_jax.tracking.fit import fit_clip, fit_frames
from omg_jax.tracking.joint import Steadiness, fit_jointly
from omg_jax.tracking.landmark_head import LandmarkHead, gaze_to_eye_pose
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.observe import observe
from omg_jax.tracking.reduce import has_turning_jaw, reduce_to_landmarks
from omg_jax.types import Camera, HeadParams

# The shape is fitted on this many frames, spread over the clip: more of them hardly change it.
SHAPE_FRAMES = 16
# Frames are fitted in batches of one size, so that one compiled program serves all clips.
BATCH = 16

# The focal length over half a portrait's side. With 8 a head fills a portrait from 1.1 m away, with the paper's 12 from
# 1.7 m. Landmarks hardly tell how far a camera was: their errors are alike from 6 to 20. Outlines do: turning heads of
# three people filmed from nearby kept to their mattes best with 4 to 6; with 12 their ears stood out. Others are filmed
# from farther away, so that we take what lies between.
TRACKED_FOCAL = 8.0
TRACKER_VERSION = 2  # goes up with every change that moves tracked heads or torsos

# Frames are held together in time in pieces of at most this many, which overlap: what lies further apart does not
# matter. Pieces are filled up to multiples of SIZES, so that a few compiled programs serve all clips.
PIECE, OVERLAP, SIZES = 136, 12, 32

# (strength, scale) of joint.Steadiness. Chosen on consecutive frames of carphone, franck and cap12 so that trembling
# falls as far as it can while the reprojection error grows by less than 0.1 % of the eyes' distance on each. At the
# paper's distance; at ours the limit holds too (experiments/tracking_accuracy.py).
ROTATION, ACROSS, DEPTH = (3.0, 0.005), (3.0, 0.005), (3.0, 0.02)
EXPRESSION, GAZE = (2.0, 0.03), (2.0, 0.02)
# Of FLAME: its coefficients count in standard deviations, about a third of which is what a unit does.
COEFFICIENT, JAW = (2.0, 0.1), (2.0, 0.01)


class Solution(NamedTuple):
    """A person's shape, each frame's fit in the portrait's camera, and the portrait's window in the pictures.

    focal: the camera's, over half a portrait's side.
    """

    shape: Float[Array, "s"]
    frames: FrameFit
    window: SquareCrop
    focal: float = TRACKED_FOCAL


def solve(landmarks: list[FaceLandmarks], head: Head, shape: Float[Array, "s"] | None = None) -> Solution:
    """Fits all frames of a clip, each by itself. shape: the person's, where it is known; else it is fitted too."""
    reduced = reduce_to_landmarks(head)
    chosen = _chosen(landmarks)
    window = _find_window(reduced, chosen, head, shape)
    if shape is not None:
        return _fit(reduced, landmarks, window, shape)
    known = _fit(reduced, chosen, window, None)
    return known if len(chosen) == len(landmarks) else _fit(reduced, landmarks, window, known.shape)


def solve_clip(found: list[FaceLandmarks | None], head: Head, shape: Float[Array, "s"] | None = None) -> Solution:
    """Fits consecutive frames, held together in time (see joint.py). shape: as for solve.

    Frames where nobody was seen (None) lie on the way between their neighbours. Memory: that of the landmarks.
    """
    reduced = reduce_to_landmarks(head)
    chosen = _chosen([seen for seen in found if seen])
    window = _find_window(reduced, chosen, head, shape)
    shape = _fit(reduced, chosen, window, None).shape if shape is None else shape
    landmarks, steadiness, pieces = bridge_gaps(found), steadiness_of(head), []
    length = -(-len(landmarks) // -(-len(landmarks) // PIECE))
    for start in range(0, len(landmarks), length):
        first, stop = max(0, start - OVERLAP), min(start + length, len(landmarks))
        piece = landmarks[first : stop + OVERLAP]
        piece += [piece[-1]._replace(presence=0.0)] * (-len(piece) % SIZES)  # what is too much is not seen
        seen = observe_in(piece, reduced, window)
        frames = fit_jointly(reduced, seen, focal_pixels(TRACKED_FOCAL), shape, steadiness)
        pieces.append(jax.tree.map(lambda x: np.asarray(x)[start - first : stop - first], frames))  # noqa: B023
    return Solution(shape, jax.tree.map(lambda *parts: np.concatenate(parts), *pieces), window)


def fit_in_window(
    landmarks: list[FaceLandmarks], head: Head, window: SquareCrop, shape: Float[Array, "s"]
) -> Solution:
    """Fits frames of a person whose shape and window are known, each by itself."""
    return _fit(reduce_to_landmarks(head), landmarks, window, shape)


def bridge_gaps(found: list[FaceLandmarks | None]) -> list[FaceLandmarks]:
    """Frames where nobody was seen get what lies between their neighbours', with presence 0; the ends repeat."""
    present = np.array([index for index, seen in enumerate(found) if seen])
    bridged = list(found)
    for index in np.setdiff1d(np.arange(len(found)), present).tolist():
        after = int(np.searchsorted(present, index))
        left, right = int(present[max(0, after - 1)]), int(present[min(after, len(present) - 1)])
        share = (index - left) / (right - left) if right > left else 0.0
        one, other = found[left], found[right]
        between = {
            name: (1 - share) * getattr(one, name) + share * getattr(other, name)
            for name in ("points", "scores", "box")
        }
        bridged[index] = one._replace(**between, presence=0.0)
    return bridged


def steadiness_of(head: Head) -> Steadiness:
    """How the unknowns of a head's frames are held together in time."""
    turning, count = has_turning_jaw(head), len(head.expression_names)
    face = ((COEFFICIENT, count), (JAW, 3)) if turning else ((EXPRESSION, count),)
    parts = ((ROTATION, 3), (ACROSS, 2), (DEPTH, 1), *face, (GAZE, NUM_GAZE))
    strength, scale = np.concatenate([np.tile(np.float32(pair), (count, 1)) for pair, count in parts]).T
    return Steadiness(jnp.asarray(strength), jnp.asarray(scale))


def _chosen(landmarks: list[FaceLandmarks]) -> list[FaceLandmarks]:
    """Frames spread over a clip, for its shape and window."""
    return [landmarks[index] for index in spread(len(landmarks), SHAPE_FRAMES)]


def _find_window(
    reduced: LandmarkHead, chosen: list[FaceLandmarks], head: Head, shape: Float[Array, "s"] | None
) -> SquareCrop:
    """A clip's window: it depends on the skull, and the skull on a fit, which is made in a window around the face.

    The fit is in the paper's camera, so that windows are the paper's: skulls that are seen from nearer are narrower.
    """
    guess = face_window(np.stack([seen.points for seen in chosen]))
    return portrait_window(_skull_pixels(head, _fit(reduced, chosen, guess, shape, PORTRAIT_FOCAL)))


def focal_pixels(focal: float) -> Float[Array, ""]:
    """The focal length in pixels of a portrait, from that over half its side."""
    return jnp.float32(focal * PORTRAIT_SIZE / 2)


def solution_motion(solution: Solution, head: Head, fps: float, source: str) -> Motion:
    """The motion of a solution: rigid head motion lies in the camera, as in the paper."""
    params, camera = jax.tree.map(np.asarray, _pose(solution.frames, solution.shape, solution.focal))
    size = (PORTRAIT_SIZE, PORTRAIT_SIZE)
    return Motion(params, camera, size, float(fps), head.name, head.sha256, source)


def spread(count: int, most: int) -> list[int]:
    """At most `most` indices below count, evenly spread, the first one among them."""
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, most)).round()})


def _fit(
    reduced: LandmarkHead,
    landmarks: list[FaceLandmarks],
    window: SquareCrop,
    shape: Array | None,
    focal: float = TRACKED_FOCAL,
) -> Solution:
    """Fits frames in a window's camera, together with the shape unless it is given."""
    seen, in_pixels = observe_in(landmarks, reduced, window), focal_pixels(focal)
    if shape is None:
        frames, shape = fit_clip(reduced, seen, in_pixels)
        return Solution(shape, frames, window, focal)
    count, batches = len(landmarks), []
    for start in range(0, count, BATCH):
        indices = np.minimum(np.arange(start, start + BATCH), count - 1)
        batch = Observation(*(np.asarray(values)[indices] for values in seen))
        batches.append(jax.tree.map(np.asarray, fit_frames(reduced, batch, in_pixels, shape)))
    frames = jax.tree.map(lambda *parts: jnp.asarray(np.concatenate(parts)[:count]), *batches)
    return Solution(shape, frames, window, focal)


def observe_in(landmarks: list[FaceLandmarks], head: LandmarkHead, window: SquareCrop) -> Observation:
    """What was seen in frames, in pixels of a window's portrait."""
    return observe(landmarks, head, window.centre, PORTRAIT_SIZE / window.side)


@jax.jit
def _pose(frames: FrameFit, shape: Array, focal: ArrayLike) -> tuple[HeadParams, Camera]:
    """Parameters and cameras of fitted frames. One program: operation by operation, each would be compiled."""
    count = frames.rotation.shape[0]
    still = jnp.zeros((count, 3))
    params = HeadParams(
        shape_params=jnp.broadcast_to(shape, (count, *shape.shape)),
        expression_params=frames.expression,
        global_rotation=still,
        neck_pose=still,
        jaw_pose=frames.jaw if frames.jaw.shape[-1] else still,
        eye_pose=gaze_to_eye_pose(frames.gaze),
        translation=still,
    )
    pose = jnp.concatenate([frames.rotation @ FACING, frames.translation[..., None]], axis=-1)
    last = jnp.broadcast_to(jnp.array([0.0, 0.0, 0.0, 1.0]), (count, 1, 4))
    intrinsics = portrait_intrinsics((PORTRAIT_SIZE, PORTRAIT_SIZE), focal)
    camera = Camera(jnp.concatenate([pose, last], axis=-2), jnp.broadcast_to(intrinsics, (count, 3, 3)))
    return params, camera


def _skull_pixels(head: Head, solution: Solution) -> Float[np.ndarray, "t v 2"]:
    """Where the skull's vertices lie in the pictures, in pixels."""
    params, camera = _pose(solution.frames, solution.shape, solution.focal)
    vertices = jax.jit(head_vertices)(head.model, params)
    pixels = np.asarray(jax.jit(world_to_pixels)(camera, vertices)[0])[:, skull_vertices(head)]
    return np.stack([points_to_picture(frame, solution.window, PORTRAIT_SIZE) for frame in pixels])
