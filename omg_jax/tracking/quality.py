"""How well a clip is tracked: what a report beside its motion file says."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from omg_jax.head.load import Head
from omg_jax.tracking.cost import project, visible
from omg_jax.tracking.crop import PORTRAIT_SIZE
from omg_jax.tracking.face_mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from omg_jax.tracking.landmark_head import LandmarkHead
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.reduce import reduce_to_landmarks
from omg_jax.tracking.solve import Solution, focal_pixels, observe_in

PIECE = 256  # frames that are compared at a time


class Comparison(NamedTuple):
    """A solution beside what was seen: pixels of the portrait from its middle, and which landmarks face the camera.

    iod: distance of the outer eye corners in those pixels, with the net's z, so that it does not shrink as the head
    turns.
    """

    fitted: Float[np.ndarray, "t l 2"]
    seen: Float[np.ndarray, "t l 2"]
    visible: Bool[np.ndarray, "t l"]
    iod: Float[np.ndarray, "t"]

    @property
    def errors(self) -> Float[np.ndarray, "t l"]:
        """Distances in percent of the iod."""
        return np.linalg.norm(self.fitted - self.seen, axis=-1) / self.iod[:, None] * 100.0


class Quality(NamedTuple):
    """How well a clip is tracked, against the landmark net's own output: a bias of the net does not show.

    Errors are distances between the head's landmarks and the net's, where they face the camera: median and 95th
    percentile, in pixels of the video and in percent of the distance of the outer eye corners (iod_px). jitter: mean
    second difference over three frames, in percent of that distance, of the net's landmarks and of the head's; None
    where no three consecutive frames show a face. lost: first and last frame of each gap without a face, counted in
    the clip.
    """

    frames: int
    lost_frames: int
    lost: list[tuple[int, int]]
    faces: int
    iod_px: float
    error_px: tuple[float, float]
    error_percent: tuple[float, float]
    jitter_percent: tuple[float, float] | None

    @property
    def lost_share(self) -> float:
        """Share of frames without a face."""
        return self.lost_frames / self.frames


def compare(solution: Solution, landmarks: list[FaceLandmarks], head: Head) -> Comparison:
    """A solution's landmarks beside those seen in its frames."""
    reduced = reduce_to_landmarks(head)
    parts = [
        _compare(jax.tree.map(lambda x: x[start : start + PIECE], solution.frames), solution, part, reduced)  # noqa: B023
        for start in range(0, len(landmarks), PIECE)
        if (part := landmarks[start : start + PIECE])
    ]
    return Comparison(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def measure_quality(solution: Solution, found: list[FaceLandmarks | None], faces: int, head: Head) -> Quality:
    """The report of a clip in whose frames a person was found (None: was not); faces: the most seen at once."""
    present = np.array([index for index, seen in enumerate(found) if seen])
    frames = jax.tree.map(lambda x: np.asarray(x)[present], solution.frames)
    both = compare(solution._replace(frames=frames), [found[index] for index in present], head)
    percent = np.percentile(both.errors[both.visible], (50, 95))
    iod = float(both.iod.mean()) * solution.window.side / PORTRAIT_SIZE
    lost = np.setdiff1d(np.arange(len(found)), present)
    gaps = np.split(lost, np.flatnonzero(np.diff(lost) > 1) + 1) if len(lost) else []
    return Quality(
        frames=len(found),
        lost_frames=len(lost),
        lost=[(int(gap[0]), int(gap[-1])) for gap in gaps],
        faces=faces,
        iod_px=iod,
        error_px=_pair(percent * iod / 100.0),
        error_percent=_pair(percent),
        jitter_percent=_jitter(both, present),
    )


def quality_facts(quality: Quality) -> dict:
    """The report as plain values for JSON."""

    def named(names: tuple[str, str], pair: tuple[float, float] | None) -> dict[str, float] | None:
        return pair and dict(zip(names, (round(value, 3) for value in pair), strict=True))

    return {
        "frames": quality.frames,
        "frames_without_face": quality.lost_frames,
        "lost_share": round(quality.lost_share, 4),
        "lost": [list(gap) for gap in quality.lost],
        "faces_in_video": quality.faces,
        "eye_distance_px": round(quality.iod_px, 2),
        "error_px": named(("median", "p95"), quality.error_px),
        "error_percent_of_eye_distance": named(("median", "p95"), quality.error_percent),
        "jitter_percent_of_eye_distance": named(("detector", "head"), quality.jitter_percent),
    }


def trembling(points: Float[np.ndarray, "t l 2"]) -> Float[np.ndarray, "u"]:
    """Mean absolute second difference of landmarks, around each of u = t - 2 frames."""
    return np.abs(np.diff(points, 2, axis=0)).mean(axis=(1, 2))


def _compare(frames, solution: Solution, landmarks: list[FaceLandmarks], reduced: LandmarkHead) -> Comparison:
    points = np.asarray(observe_in(landmarks, reduced, solution.window).points)
    fitted, facing = _project(reduced, frames, solution.shape, focal_pixels(solution.focal))
    eyes = np.stack([seen.points[RIGHT_EYE_OUTER] - seen.points[LEFT_EYE_OUTER] for seen in landmarks])
    iod = np.linalg.norm(eyes, axis=-1) * PORTRAIT_SIZE / solution.window.side
    return Comparison(np.asarray(fitted), points[..., :2], np.asarray(facing), iod)


@jax.jit
def _project(reduced, frames, shape, focal):
    fitted = jax.vmap(project, (None, 0, None, None))(reduced, frames, shape, focal)
    return fitted, jax.vmap(visible, (None, 0))(reduced, frames.rotation)


def _jitter(both: Comparison, present: np.ndarray) -> tuple[float, float] | None:
    consecutive = np.flatnonzero(present[2:] - present[:-2] == 2)
    if len(consecutive) == 0:
        return None
    percent = 100.0 / both.iod.mean()
    return tuple(float(trembling(points)[consecutive].mean() * percent) for points in (both.seen, both.fitted))


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
