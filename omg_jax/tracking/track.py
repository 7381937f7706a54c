"""Photo or video -> head parameters, camera, portrait crop and matte."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8

from omg_jax.head.load import Head
from omg_jax.head.torso import torso_arrays, torso_of
from omg_jax.tracking.crop import draw_portrait
from omg_jax.tracking.crops import SquareCrop
from omg_jax.tracking.landmarks import FaceLandmarker
from omg_jax.tracking.matte import PortraitMatte
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.overlay import overlay_head
from omg_jax.tracking.partial import forget, remembered
from omg_jax.tracking.people import Choice, Told, Track, follow_people, largest, tell_nobody
from omg_jax.tracking.quality import Quality, measure_quality
from omg_jax.tracking.reduce import check_trackable
from omg_jax.tracking.shots import Shot, find_shots
from omg_jax.tracking.solve import solution_motion, solve, solve_clip
from omg_jax.tracking.torso import follow_torso
from omg_jax.tracking.video import video_frames, video_info
from omg_jax.types import Camera, HeadParams, Torso


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


class TrackedClip(NamedTuple):
    """A person's motion in consecutive frames of a video.

    frames: which ones. person: counted from 0 within the shot. window: of the portrait, in pixels of the video.
    num_shots: how many the video has. quality: how well it is tracked; frames without a face lie on the way between
    their neighbours.
    """

    motion: Motion
    frames: Shot
    person: int
    window: SquareCrop
    num_shots: int
    quality: Quality


class TrackedVideo(NamedTuple):
    """A tracked clip, and its portrait crops with their own background."""

    clip: TrackedClip
    images: UInt8[np.ndarray, "t 512 512 3"]
    mattes: UInt8[np.ndarray, "t 512 512"]


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
    path: Path | str,
    head: Head,
    told: Told = tell_nobody,
    max_frames: int | None = None,
    choose: Choice = largest,
    parts: Path | None = None,
) -> TrackedClip:
    """Motion of one person: the one who is seen longest of those that track_people finds."""
    clips = track_people(path, head, told, max_frames, choose, parts)
    return max(clips, key=lambda clip: clip.quality.frames - clip.quality.lost_frames)


def track_people(
    path: Path | str,
    head: Head,
    told: Told = tell_nobody,
    max_frames: int | None = None,
    choose: Choice = largest,
    parts: Path | None = None,
) -> list[TrackedClip]:
    """Motions of the people that are chosen in each shot of a video, one for each shot and person.

    Frames are read one at a time: a video of any length is tracked in 6 KB of memory a frame and person. A shot
    without a face is passed over. told hears of progress. parts: a folder in which what was seen so far is kept until
    all is done, for a process that is killed; it must belong to this video and these options alone.

    ValueError where the file is no video, shows no face in any frame, is smaller than 64 x 64, or the head has no
    landmarks.
    """
    check_trackable(head)
    path = Path(path)
    info = video_info(path)
    shots = _shots(path, min(info.num_frames, max_frames or info.num_frames), max_frames, told, parts)
    tracks = follow_people(path, shots, choose, told, parts)
    if not tracks:
        forget(parts)
        count = shots[-1].stop if shots else 0
        raise ValueError(
            f"no face found in any of the {count} frames of {path}; expected a person who looks roughly into "
            "the camera: give another video"
        )
    clips = []
    for index, track in enumerate(tracks):
        solution = solve_clip(track.landmarks, head)
        motion = solution_motion(solution, head, info.fps, path.name)
        motion = motion._replace(torso=_torso(path, track, solution.window, motion, head, told, parts))
        quality = measure_quality(solution, track.landmarks, track.num_faces, head)
        clips.append(TrackedClip(motion, track.frames, track.person, solution.window, len(shots), quality))
        told("fitting heads", index + 1, len(tracks))
    forget(parts)
    return clips


def track_video(path: Path | str, head: Head, told: Told = tell_nobody, max_frames: int | None = None) -> TrackedVideo:
    """Tracks one person of a video, as track_motion, and draws their portrait crops (1 MB a frame)."""
    clip = track_motion(path, head, told, max_frames)
    matte, images, mattes = PortraitMatte(), [], []
    for portrait in portraits(path, clip, told):
        images.append(portrait)
        mattes.append(np.round(matte(portrait) * 255.0).astype(np.uint8))
    return TrackedVideo(clip, np.stack(images), np.stack(mattes))


def portraits(
    path: Path | str, clip: TrackedClip, told: Told = tell_nobody
) -> Iterator[UInt8[np.ndarray, "512 512 3"]]:
    """The portrait crops of a tracked clip, one at a time."""
    count = clip.frames.stop - clip.frames.start
    for index, frame in enumerate(video_frames(Path(path), count, clip.frames.start)):
        yield draw_portrait(frame, clip.window)
        told("cutting out the portrait", index + 1, count)


def overlays(
    path: Path | str, clip: TrackedClip, head: Head, told: Told = tell_nobody
) -> Iterator[UInt8[np.ndarray, "512 512 3"]]:
    """The portrait crops of a tracked clip under the tracked head's mesh, one at a time."""
    for index, portrait in enumerate(portraits(path, clip, told)):
        params, camera = jax.tree.map(lambda x: x[index], (clip.motion.head_params, clip.motion.camera))  # noqa: B023
        yield overlay_head(portrait, head, params, camera)


def _torso(
    path: Path, track: Track, window: SquareCrop, motion: Motion, head: Head, told: Told, parts: Path | None
) -> Torso:
    """How the torso of someone who was followed stands in their frames."""
    count = len(track.landmarks)

    def frames() -> Iterator[np.ndarray]:
        for index, frame in enumerate(video_frames(path, count, track.frames.start)):
            yield frame
            told("following the torso", index + 1, count)

    def follow() -> dict[str, np.ndarray]:
        return torso_arrays(follow_torso(frames(), track.landmarks, window, motion, head, PortraitMatte()))

    return torso_of(remembered(parts, f"torso-{track.frames.start:08d}-{track.person}", follow))


def _shots(path: Path, count: int, max_frames: int | None, told: Told, parts: Path | None) -> list[Shot]:
    def find() -> dict[str, np.ndarray]:
        def frames() -> Iterator[np.ndarray]:
            for index, frame in enumerate(video_frames(path, max_frames)):
                yield frame
                told("looking for cuts", index + 1, count)

        return {"shots": np.array(find_shots(frames()), np.int64).reshape(-1, 2)}

    return [Shot(*shot) for shot in remembered(parts, "shots", find)["shots"].tolist()]
