"""Follows the torso below a tracked head: how it moved since a clip's first frame, by its looks.

The torso of the first frame is a template that is moved over each later frame by a similarity (shift, turn, size) until
both agree: direct alignment by Gauss-Newton steps, coarse to fine, with Huber's weights against what covers it. Where
the picture says little, the torso goes with the neck's joint of the tracked head and does not turn. Each frame is
compared with the first one, so that no error adds up.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import cv2
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, UInt8

from omg_jax.head.load import Head
from omg_jax.head.model import JOINT_NAMES, bake_identity, joint_positions
from omg_jax.tracking.crop import PORTRAIT_SIZE, draw_portrait, frame_in_window
from omg_jax.tracking.crops import SquareCrop, sample_crop
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.motion import Motion
from omg_jax.types import Torso

SIZES = (32, 64, 128)  # pixels of the window, coarse to fine
STEPS = (6, 6, 4)  # at most so many at each size
ENOUGH = 0.05  # pixels; a smaller step is the last one of its size
BLUR = 0.8  # pixels
PERSON = 0.5  # share of the person from which on a pixel is theirs
REACH = 1 / 50  # of the window, by which the template goes beyond the person, for their outline; and below the chin
FEWEST = 12  # pixels at the coarsest size; less is no template
NOISE = 0.05  # of colours in [0, 1], as a length over three channels: what differs by more is something else
EVIDENCE = 60.0  # pixels that are as good as all, for neighbours err alike
# Standard deviations of what a torso does beyond what the head tells: it comes nearer (as a share of its size), turns
# (radians), moves (windows).
PRIOR = np.array([0.04, 0.15, 0.06, 0.06])
LONGEST_STEP = 0.1


class Level(NamedTuple):
    """The template at one size: colours of its pixels, their places from the pivot, and derivatives by the unknowns."""

    colours: Float[np.ndarray, "n 3"]
    places: Float[np.ndarray, "n 2"]
    jacobian: Float[np.ndarray, "3n 4"]


class TorsoFollower:
    """Aligns a torso from frame to frame. Places are in windows: (0, 0) is their upper left corner, (1, 1) the other.

    portrait: the template's frame; torso: its pixels, in any size; pivot: what it turns about; frame: left, top, right
    and bottom of the video's frame, beyond which nothing counts.
    """

    def __init__(
        self,
        portrait: UInt8[np.ndarray, "s s 3"],
        torso: Bool[np.ndarray, "t t"],
        pivot: Float[np.ndarray, "2"],
        frame: Float[np.ndarray, "4"],
    ):
        self.pivot, self.frame = pivot, frame
        self.levels = [self._level(picture, torso) for picture in _pyramid(portrait)]
        self.beyond = np.zeros(4)

    @property
    def has_template(self) -> bool:
        """Whether enough of a torso was there to be followed."""
        return len(self.levels[0].places) >= FEWEST

    def __call__(
        self, portrait: UInt8[np.ndarray, "s s 3"], chin: float, expected: Float[np.ndarray, "4"]
    ) -> Float[np.ndarray, "4"]:
        """(growth, turn, right, down) of the torso since the template.

        chin: above it there is no torso; expected: what the head tells of the unknowns.
        """
        pictures = _pyramid(portrait)
        starts = (expected + self.beyond, expected) if self.beyond.any() else (expected,)
        found = [self._align(0, pictures[0], start, expected, chin) for start in starts]
        best = min(found, key=lambda unknowns: self._cost(pictures[0], unknowns, expected, chin))
        for index, picture in enumerate(pictures[1:], start=1):
            best = self._align(index, picture, best, expected, chin)
        self.beyond = best - expected
        return best

    def _level(self, picture: Float[np.ndarray, "s s 3"], torso: Bool[np.ndarray, "t t"]) -> Level:
        size = len(picture)
        share = cv2.resize(torso.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        rows, columns = np.nonzero(share > 0.5)
        places = np.stack([columns + 0.5, rows + 0.5], axis=-1) / size - self.pivot
        across, down = (np.gradient(picture, axis=axis)[rows, columns] * size for axis in (1, 0))
        x, y = places[:, :1], places[:, 1:]
        jacobian = np.stack([across * x + down * y, down * x - across * y, across, down], axis=-1)
        return Level(picture[rows, columns], places, jacobian.reshape(-1, 4).astype(np.float32))

    def _align(
        self,
        index: int,
        picture: Float[np.ndarray, "s s 3"],
        start: Float[np.ndarray, "4"],
        expected: Float[np.ndarray, "4"],
        chin: float,
    ) -> Float[np.ndarray, "4"]:
        """Gauss-Newton steps at one size."""
        level, unknowns = self.levels[index], start.copy()
        scale = _evidence(level) / NOISE**2
        for _ in range(STEPS[index]):
            errors, weights = self._compare(picture, level, unknowns, chin)
            weighted = level.jacobian * np.repeat(np.float32(weights * scale), 3)[:, None]
            gradient = weighted.T @ errors.ravel() - (unknowns - expected) / PRIOR**2
            step = np.linalg.solve(weighted.T @ level.jacobian + np.diag(PRIOR**-2), gradient)
            length = np.abs(step).max()
            unknowns += step * min(1.0, LONGEST_STEP / max(length, LONGEST_STEP))
            if length * len(picture) < ENOUGH:
                break
        return unknowns

    def _compare(
        self, picture: Float[np.ndarray, "s s 3"], level: Level, unknowns: Float[np.ndarray, "4"], chin: float
    ) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n"]]:
        """What the template has over the picture there, and Huber's weights; 0 where the torso is not seen."""
        growth, turn, *shift = unknowns
        places = level.places @ np.array([[1.0 + growth, turn], [-turn, 1.0 + growth]]) + self.pivot + shift
        edge, (left, top, right, bottom) = 1.0 / len(picture), self.frame
        x, y = places.T
        seen = (x > left + edge) & (x < right - edge) & (y > max(top + edge, chin)) & (y < bottom - edge)
        at = (places * len(picture) - 0.5).astype(np.float32)
        colours = cv2.remap(picture, at[None, :, 0], at[None, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        errors = level.colours - colours[0]
        return errors, seen * np.minimum(1.0, NOISE / np.maximum(np.linalg.norm(errors, axis=-1), 1e-9))

    def _cost(
        self,
        picture: Float[np.ndarray, "s s 3"],
        unknowns: Float[np.ndarray, "4"],
        expected: Float[np.ndarray, "4"],
        chin: float,
    ) -> float:
        """How much template and picture differ, and how unlikely the motion is; what is not seen counts as noise."""
        errors, weights = self._compare(picture, self.levels[0], unknowns, chin)
        lengths = np.where(weights > 0, np.linalg.norm(errors, axis=-1), NOISE)
        huber = np.where(lengths <= NOISE, lengths**2 / 2, NOISE * (lengths - NOISE / 2))
        data = _evidence(self.levels[0]) / NOISE**2 * huber.sum()
        return float(data + 0.5 * np.sum(((unknowns - expected) / PRIOR) ** 2))


def follow_torso(
    frames: Iterable[UInt8[np.ndarray, "h w 3"]],
    landmarks: list[FaceLandmarks | None],
    window: SquareCrop,
    motion: Motion,
    head: Head,
    matte: Callable[[UInt8[np.ndarray, "512 512 3"]], Float[np.ndarray, "512 512"]],
) -> Torso:
    """How the torso stands in each frame of a tracked clip; its reference is the first frame with a face and a torso.

    frames: of the video, read one at a time; landmarks: in pixels of the video, of at least one frame; motion: of the
    head, in the window's portraits; matte: of a portrait. Where there is no torso, it goes with the head.
    """
    joints, pixels = _neck_joints(motion, head)
    places = pixels / PORTRAIT_SIZE
    first = next(index for index, seen in enumerate(landmarks) if seen)
    expected, follower, found = _with_the_head(joints, places, first), None, {}
    for index, (frame, seen) in enumerate(zip(frames, landmarks, strict=False)):
        box = frame_in_window(frame.shape[:2], window)
        chin = _chin(seen, window) if seen else -np.inf
        small = sample_crop(frame, window, SIZES[-1], go_on=True)
        if follower is None and seen and chin + REACH < box[3]:
            torso = _torso_pixels(matte(draw_portrait(frame, window)), chin, box)
            started = TorsoFollower(small, torso, places[index], box)
            if started.has_template:
                follower, first, expected = started, index, _with_the_head(joints, places, index)
        if follower is not None:
            found[index] = follower(small, chin, expected[index])
    intrinsics, reference = motion.camera.intrinsics[first], motion.camera.world_to_camera[first]
    unknowns = [found.get(index, expected[index]) for index in range(len(landmarks))]
    moved = [_in_space(one, places[first], joints[first], intrinsics) for one in unknowns]
    return Torso(np.stack(moved).astype(np.float32), np.tile(reference, (len(moved), 1, 1)).astype(np.float32))


def _with_the_head(
    joints: Float[np.ndarray, "t 3"], places: Float[np.ndarray, "t 2"], first: int
) -> Float[np.ndarray, "t 4"]:
    """What the head tells of a torso's unknowns in each frame, with one of them as the reference."""
    growth = joints[first, 2] / joints[:, 2] - 1.0
    return np.column_stack([growth, np.zeros(len(growth)), places - places[first]])


def _neck_joints(motion: Motion, head: Head) -> tuple[Float[np.ndarray, "t 3"], Float[np.ndarray, "t 2"]]:
    """The neck's joint in each frame, in the camera's space and in pixels of its portrait."""
    shape = jnp.asarray(motion.head_params.shape_params[0])
    person = bake_identity(head.model, shape, jnp.zeros_like(head.model.template))
    joint = np.asarray(joint_positions(person)[JOINT_NAMES.index("neck")])
    joints = motion.camera.world_to_camera[:, :3, :3] @ joint + motion.camera.world_to_camera[:, :3, 3]
    pixels = np.einsum("tij,tj->ti", motion.camera.intrinsics, joints)
    return joints, pixels[:, :2] / pixels[:, 2:]


def _chin(seen: FaceLandmarks, window: SquareCrop) -> float:
    """The lowest landmark, in windows."""
    return float((seen.points[:, 1].max() - window.centre[1]) / window.side + 0.5)


def _torso_pixels(
    matte: Float[np.ndarray, "s s"], chin: float, frame: Float[np.ndarray, "4"]
) -> Bool[np.ndarray, "s s"]:
    """The person below the chin, as far as the frame goes, with a rim of what is around them, for their outline."""
    size = len(matte)
    reach = round(REACH * size)
    person = cv2.dilate((matte >= PERSON).astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1))) > 0
    steps, (left, _, right, bottom) = (np.arange(size) + 0.5) / size, frame
    rows = (steps > chin + REACH) & (steps < bottom)
    return person & rows[:, None] & ((steps > left) & (steps < right))[None]


def _in_space(
    unknowns: Float[np.ndarray, "4"],
    pivot: Float[np.ndarray, "2"],
    joint: Float[np.ndarray, "3"],
    intrinsics: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "4 4"]:
    """The rigid motion that a similarity is: what grows comes nearer. joint: the neck's, in the reference's camera."""
    growth, turn, *shift = unknowns
    depth, angle = joint[2] / np.hypot(1.0 + growth, turn), np.arctan2(turn, 1.0 + growth)
    pixel = (pivot + shift) * PORTRAIT_SIZE
    moved = np.linalg.solve(intrinsics, np.array([*pixel, 1.0])) * depth
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    rigid = np.eye(4)
    rigid[:3, :3], rigid[:3, 3] = rotation, moved - rotation @ joint
    return rigid


def _evidence(level: Level) -> float:
    """What each pixel of a template counts."""
    return min(1.0, EVIDENCE / len(level.places))


def _pyramid(portrait: UInt8[np.ndarray, "s s 3"]) -> list[Float[np.ndarray, "_ _ 3"]]:
    """The portrait in [0, 1] at each of SIZES, blurred a little."""
    pictures = (cv2.resize(portrait, (size, size), interpolation=cv2.INTER_AREA) for size in SIZES)
    return [cv2.GaussianBlur(picture.astype(np.float32) / 255.0, (0, 0), BLUR) for picture in pictures]
