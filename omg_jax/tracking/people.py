"""Follows people through the shots of a video: who is seen where, frame by frame."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omg_jax.tracking.face_detector import SAME_FACE_OVERLAP, box_area, overlap
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.partial import Arrays, remembered
from omg_jax.tracking.shots import Shot
from omg_jax.tracking.video import video_frames

PART = 256  # frames that are kept on disk together
SEARCH_EVERY = 10  # frames: how often newcomers are looked for, and small faces of who is lost
# Who was lost may come back this far from where they were, in widths of their face, and this much larger or smaller.
MAX_RETURN, MAX_GROWTH = 2.0, 2.0
SHORTEST_TRACK = 6  # frames with a face; what is shorter is a passer-by or an error

# From the faces of a picture of some (height, width), those to follow.
Choice = Callable[[list[FaceLandmarks], tuple[int, int]], list[FaceLandmarks]]
Faces = dict[int, FaceLandmarks]
"""Who is in a frame: a person's number, and their face."""
Told = Callable[[str, int, int], None]
"""Hears of progress: what is being done, how much of it is done, and of how much (0: not known)."""


def tell_nobody(stage: str, done: int, total: int) -> None:
    """Progress that nobody follows."""


class Track(NamedTuple):
    """One person in consecutive frames of one shot, None where they were not seen.

    person counts from 0 within a shot. num_faces: the most faces seen at once.
    """

    frames: Shot
    person: int
    landmarks: list[FaceLandmarks | None]
    num_faces: int

    @property
    def num_seen(self) -> int:
        """Frames in which the person was seen."""
        return sum(seen is not None for seen in self.landmarks)


def largest(faces: list[FaceLandmarks], _: tuple[int, int]) -> list[FaceLandmarks]:
    """The face that fills most of the picture."""
    return [max(faces, key=lambda face: box_area(face.box))]


def most_central(faces: list[FaceLandmarks], size: tuple[int, int]) -> list[FaceLandmarks]:
    """The face nearest to the picture's middle."""
    middle = np.array([size[1], size[0]]) / 2
    return [min(faces, key=lambda face: float(np.linalg.norm(_centre(face) - middle)))]


def everyone(faces: list[FaceLandmarks], _: tuple[int, int]) -> list[FaceLandmarks]:
    """All faces, the largest first; who comes later is followed too."""
    return sorted(faces, key=lambda face: -box_area(face.box))


def follow_people(path: Path, shots: list[Shot], choose: Choice, told: Told, folder: Path | None = None) -> list[Track]:
    """Everyone who is chosen in each shot, by shot and person; frames are decoded one at a time.

    One whom largest or most_central chose has a track over the whole shot, others from when they came to when they
    left. folder keeps what was seen so far. Memory: 6 KB for each face and frame.
    """
    landmarker, found = FaceLandmarker(), []
    frames = None
    count = shots[-1].stop if shots else 0
    for start in range(0, count, PART):

        def look_on(start: int = start, found: list[Faces] = found) -> Arrays:
            nonlocal frames
            frames = frames or video_frames(path, count - start, start)
            return _pack(_look_on(landmarker, frames, shots, choose, found, told))

        found += _unpack(remembered(folder, f"faces-{start:08d}", look_on))
        told("finding faces", len(found), count)
    return [track for shot in shots for track in _tracks(shot, found[shot.start : shot.stop], choose is everyone)]


def _look_on(
    landmarker: FaceLandmarker,
    frames: Iterator[np.ndarray],
    shots: list[Shot],
    choose: Choice,
    found: list[Faces],
    told: Told,
) -> list[Faces]:
    """The next part of the frames; found: the people in all frames before."""
    start, count = len(found), shots[-1].stop
    shot = next(shot for shot in shots if start < shot.stop)
    known = {person: face for faces in found[shot.start :] for person, face in faces.items()}
    part, now = [], found[-1] if found else {}
    for index in range(start, min(start + PART, count)):
        if index >= shot.stop:
            shot = next(shot for shot in shots if index < shot.stop)
        if index == shot.start:
            known, now = {}, {}
        now = _look(landmarker, next(frames), now, known, choose, (index - shot.start) % SEARCH_EVERY == 0)
        known |= now
        part.append(now)
        told("finding faces", index + 1, count)
    return part


def _look(
    landmarker: FaceLandmarker,
    frame: np.ndarray,
    previous: Faces,
    known: Faces,
    choose: Choice,
    thorough: bool,
) -> Faces:
    """The people in a frame. previous: those in the frame before; known: all of the shot, as last seen.

    thorough: newcomers are looked for, and small faces if someone is lost.
    """
    found: Faces = {}
    for person, before in previous.items():
        face = landmarker.follow(frame, before)
        if face and _is_new(face, found):
            found[person] = face
    lost = sorted(known.keys() - found.keys())
    if known and not lost and not thorough:
        return found
    if thorough and (lost or not known):
        faces = landmarker.search(frame)
    else:
        faces = landmarker.confirm(frame, landmarker.detect(frame))
    new = [face for face in faces if _is_new(face, found)]
    for person in lost:
        back = min(new, key=lambda face: _distance(known[person], face), default=None)  # noqa: B023
        if back is not None and _may_be(known[person], back):
            found[person] = back
            new = [face for face in new if face is not back]
    if new and (not known or choose is everyone):
        found |= {len(known) + index: face for index, face in enumerate(choose(new, frame.shape[:2]))}
    return {person: face._replace(num_faces=max(len(faces), len(found))) for person, face in found.items()}


def _tracks(shot: Shot, found: list[Faces], trim: bool) -> list[Track]:
    tracks = []
    for person in sorted({person for faces in found for person in faces}):
        landmarks = [faces.get(person) for faces in found]
        seen = [index for index, face in enumerate(landmarks) if face]
        first, last = (seen[0], seen[-1] + 1) if trim else (0, len(landmarks))
        most = max(face.num_faces for face in landmarks if face)
        tracks.append(Track(Shot(shot.start + first, shot.start + last), person, landmarks[first:last], most))
    return [track for track in tracks if track.num_seen >= min(SHORTEST_TRACK, len(found))] or tracks[:1]


def _is_new(face: FaceLandmarks, found: Faces) -> bool:
    return all(overlap(face.box, other.box) < SAME_FACE_OVERLAP for other in found.values())


def _may_be(known: FaceLandmarks, face: FaceLandmarks) -> bool:
    """Whether someone who was lost may be this face."""
    growth = _width(face) / _width(known)
    return 1 / MAX_GROWTH < growth < MAX_GROWTH and _distance(known, face) < MAX_RETURN * _width(known)


def _distance(a: FaceLandmarks, b: FaceLandmarks) -> float:
    return float(np.linalg.norm(_centre(a) - _centre(b)))


def _centre(face: FaceLandmarks) -> np.ndarray:
    return (face.box[:2] + face.box[2:]) / 2


def _width(face: FaceLandmarks) -> float:
    return float(face.box[2] - face.box[0])


def _pack(part: list[Faces]) -> Arrays:
    rows = [(index, person, face) for index, faces in enumerate(part) for person, face in faces.items()]
    columns = {
        name: np.array([getattr(face, name) for *_, face in rows], np.int32 if name == "num_faces" else np.float32)
        for name in FaceLandmarks._fields
    }
    places = np.array([row[:2] for row in rows], np.int32).reshape(-1, 2)
    return {"frames": np.array(len(part)), "places": places, **columns}


def _unpack(arrays: Arrays) -> list[Faces]:
    part: list[Faces] = [{} for _ in range(int(arrays["frames"]))]
    for row, (index, person) in enumerate(arrays["places"].tolist()):
        face = FaceLandmarks(*(arrays[name][row] for name in FaceLandmarks._fields))
        part[index][person] = face._replace(presence=float(face.presence), num_faces=int(face.num_faces))
    return part
