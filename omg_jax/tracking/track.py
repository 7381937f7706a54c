"""Photo or video -> head parameters, camera, portrait crop and matte."""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8
from rich.progress import Progress

from omg_jax.head.load import Head
from omg_jax.tracking.crop import draw_portrait
from omg_jax.tracking.crops import SquareCrop
from omg_jax.tracking.landmark_head import check_trackable
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.matte import PortraitMatte
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.solve import Solution, smooth_solution, solution_motion, solve
from omg_jax.tracking.video import video_frames, video_info
from omg_jax.types import Camera, HeadParams


class TrackedPhoto(NamedTuple):
    """A photo's portrait crop with its own background, in [0, 1]; matte, head and camera of that crop.

    num_faces: how many faces the photo shows; the largest one is tracked. face_width: of that face, from ear to ear,
    in pixels of the photo.
    """

    image: Float[np.ndarray, "512 512 3"]
    matte: Float[np.ndarray, "512 512"]
    params: HeadParams
    camera: Camera
    num_faces: int
    face_width: float


class TrackedMotion(NamedTuple):
    """A clip's motion.

    num_faces: the most faces seen in a frame; num_missing: frames where no face was seen, which hold the nearest
    frame's head.
    """

    motion: Motion
    num_faces: int
    num_missing: int


class TrackedVideo(NamedTuple):
    """A clip's motion, and its portrait crops with their own background; num_faces, num_missing: as TrackedMotion."""

    motion: Motion
    images: UInt8[np.ndarray, "t 512 512 3"]
    mattes: UInt8[np.ndarray, "t 512 512"]
    num_faces: int
    num_missing: int


class _Seen(NamedTuple):
    landmarks: list[FaceLandmarks]
    num_faces: int
    num_missing: int
    fps: float


def track_photo(image: Float[np.ndarray, "h w 3"], head: Head, source: str = "the photo") -> TrackedPhoto:
    """Tracks the largest face of an RGB photo in [0, 1].

    source: what an error calls the photo. ValueError where the photo is smaller than 64 x 64 or shows no face, or the
    head has no landmarks.
    """
    check_trackable(head)
    pixels = np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    seen = FaceLandmarker()(pixels)
    if seen is None:
        height, width = pixels.shape[:2]
        raise ValueError(
            f"no face found in {source} ({width}x{height}); expected one that looks roughly into the camera: "
            "give another photo"
        )
    solution = solve([seen], head)
    motion = solution_motion(solution, head, fps=1.0, source=source)
    portrait = draw_portrait(pixels, solution.window)
    params, camera = jax.tree.map(lambda x: x[0], (motion.head_params, motion.camera))
    return TrackedPhoto(
        image=portrait.astype(np.float32) / 255.0,
        matte=PortraitMatte()(portrait),
        params=params,
        camera=camera,
        num_faces=seen.num_faces,
        face_width=float(seen.box[2] - seen.box[0]),
    )


def photo_motion(tracked: TrackedPhoto, head: Head, source: str) -> Motion:
    """A tracked photo as a motion of one frame."""
    params, camera = jax.tree.map(lambda x: np.asarray(x)[None], (tracked.params, tracked.camera))
    return Motion(params, camera, tracked.matte.shape, 1.0, head.name, head.sha256, source)


def track_motion(
    path: Path | str, head: Head, progress: Progress | None = None, max_frames: int | None = None
) -> TrackedMotion:
    """Motion of the largest face of a video, without pictures: any length of video fits into memory.

    progress: a display on which the frames are counted. ValueErrors as track_video.
    """
    check_trackable(head)
    seen = _look_at_video(Path(path), progress, max_frames)
    return TrackedMotion(_solve_video(seen, head, Path(path).name)[1], seen.num_faces, seen.num_missing)


def track_video(
    path: Path | str, head: Head, progress: Progress | None = None, max_frames: int | None = None
) -> TrackedVideo:
    """Tracks the largest face of a video and draws its portrait crops (1 MB a frame).

    The face of the first frame is followed, though larger ones come. ValueError where the file is no video, shows no
    face in any frame, is smaller than 64 x 64, or the head has no landmarks.
    """
    check_trackable(head)
    path = Path(path)
    seen = _look_at_video(path, progress, max_frames)
    solution, motion = _solve_video(seen, head, path.name)
    images, mattes = _draw_video(path, solution.window, len(seen.landmarks), progress)
    return TrackedVideo(motion, images, mattes, seen.num_faces, seen.num_missing)


def _look_at_video(path: Path, progress: Progress | None, max_frames: int | None) -> _Seen:
    info = video_info(path)
    landmarker = FaceLandmarker()
    found: list[FaceLandmarks | None] = []
    task = _new_task(progress, "finding the face", min(info.num_frames, max_frames or info.num_frames))
    previous = None
    for frame in video_frames(path, max_frames):
        seen = landmarker(frame, previous)
        previous = seen or previous
        found.append(seen)
        _advance(progress, task)
    landmarks, num_missing = fill_missing(found)
    if not landmarks:
        raise ValueError(
            f"no face found in any of the {len(found)} frames of {path}; expected a person who looks roughly into "
            "the camera: give another video"
        )
    return _Seen(landmarks, max(one.num_faces for one in landmarks), num_missing, info.fps)


def fill_missing(found: list[FaceLandmarks | None]) -> tuple[list[FaceLandmarks], int]:
    """Frames without a face get the nearest frame's; also how many those were. Empty where no frame has one."""
    present = np.array([index for index, seen in enumerate(found) if seen is not None])
    if len(present) == 0:
        return [], len(found)
    nearest = [int(present[np.abs(present - index).argmin()]) for index in range(len(found))]
    return [found[index] for index in nearest], len(found) - len(present)


def _solve_video(seen: _Seen, head: Head, source: str) -> tuple[Solution, Motion]:
    solution = smooth_solution(solve(seen.landmarks, head), seen.fps)
    return solution, solution_motion(solution, head, seen.fps, source)


def _draw_video(
    path: Path, window: SquareCrop, count: int, progress: Progress | None
) -> tuple[UInt8[np.ndarray, "t s s 3"], UInt8[np.ndarray, "t s s"]]:
    matte = PortraitMatte()
    task = _new_task(progress, "cutting out the portrait", count)
    images, mattes = [], []
    for frame in video_frames(path, count):
        images.append(draw_portrait(frame, window))
        mattes.append(np.round(matte(images[-1]) * 255.0).astype(np.uint8))
        _advance(progress, task)
    return np.stack(images), np.stack(mattes)


def _new_task(progress: Progress | None, description: str, total: int):
    return progress.add_task(description, total=total or None) if progress else None


def _advance(progress: Progress | None, task) -> None:
    if progress:
        progress.advance(task)
