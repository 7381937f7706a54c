"""478 face landmarks and 52 expression scores of a picture, by MediaPipe's face landmarker nets.

The road: face detector -> landmark net on a window around the box -> landmark net again on a window around the first
landmarks -> expression net on a subset of the second landmarks. A face that is followed needs neither detector nor,
while it moves little, the second pass.
"""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from omg_jax.assets.registry import asset_path
from omg_jax.tracking.crops import SquareCrop, points_to_picture, sample_crop
from omg_jax.tracking.face_detector import SAME_FACE_OVERLAP, FaceBox, box_area, detect_faces, overlap, search_faces
from omg_jax.tracking.face_mesh import EXPRESSION_NET_LANDMARKS, LEFT_EYE_OUTER, NUM_LANDMARKS, RIGHT_EYE_OUTER
from omg_jax.tracking.tflite import TfliteModel

INPUT_SIZE = 256
WINDOW_MARGIN = 1.5  # side of the window over the longer side of what it must show
MIN_PICTURE_SIDE = 64
PRESENCE_THRESHOLD = 0.5
# A window that followed a face this closely is as good as one drawn anew: shift over side, change of size, radians.
MAX_WINDOW_CHANGE = 0.08


class FaceLandmarks(NamedTuple):
    """What the nets see of one face.

    points: x, y in pixels (pixel (0, 0) has its centre at (0.5, 0.5)) and z in the same unit, smaller towards the
    camera, relative to the head's middle. scores: the 52 of face_mesh.EXPRESSION_SCORES, in [0, 1]. presence:
    probability that the window shows a face; 0 where nothing was seen and the rest is guessed. box: left, top, right,
    bottom of the points. num_faces: how many the detector saw.
    """

    points: Float[np.ndarray, "478 3"]
    scores: Float[np.ndarray, "52"]
    presence: float
    box: Float[np.ndarray, "4"]
    num_faces: int


class FaceLandmarker:
    """Finds landmarks and expression scores; holds the three nets.

    task_file: the user's own copy of face_landmarker.task, else the assets registry gets it.
    """

    def __init__(self, task_file: Path | str | None = None):
        with zipfile.ZipFile(asset_path("face-landmarker", path=task_file)) as bundle:
            self._detector = TfliteModel(bundle.read("face_detector.tflite"))
            self._landmark_net = TfliteModel(bundle.read("face_landmarks_detector.tflite"))
            self._expression_net = TfliteModel(bundle.read("face_blendshapes.tflite"))

    def __call__(
        self, image: UInt8[np.ndarray, "h w 3"], previous: FaceLandmarks | None = None
    ) -> FaceLandmarks | None:
        """Landmarks of the largest face of an RGB picture, or None where no face is seen.

        previous: the same person's landmarks in the frame before; then they are followed, or the detected face nearest
        to them is taken. Without it the picture is searched for small faces too. ValueError where the picture is
        smaller than 64 x 64.
        """
        if previous is None:
            faces = self.search(image)
            return max(faces, key=lambda face: box_area(face.box))._replace(num_faces=len(faces)) if faces else None
        return self.follow(image, previous) or self._look(image, choose_window(self.detect(image), previous))

    def follow(self, image: UInt8[np.ndarray, "h w 3"], previous: FaceLandmarks) -> FaceLandmarks | None:
        """A face near where it was in the frame before; None where the net sees none there. The detector rests."""
        check_picture(image)
        window = window_of_points(previous.points)
        points, presence = self._landmarks_in(image, window)
        if presence >= PRESENCE_THRESHOLD and window_change(window, window_of_points(points)) < MAX_WINDOW_CHANGE:
            return self._finish(points, presence)
        return self._look(image, window)

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[FaceBox]:
        """Boxes of the faces that fill a good part of the picture."""
        check_picture(image)
        return detect_faces(self._detector, image)

    def search(self, image: UInt8[np.ndarray, "h w 3"]) -> list[FaceLandmarks]:
        """Every face, small ones too, that the detector finds and the landmark net confirms."""
        check_picture(image)
        return self.confirm(image, search_faces(self._detector, image))

    def confirm(self, image: UInt8[np.ndarray, "h w 3"], boxes: list[FaceBox]) -> list[FaceLandmarks]:
        """The faces in detected boxes that the landmark net sees too, each once."""
        confirmed: list[FaceLandmarks] = []
        for box in boxes:
            face = self._look(image, window_of_face(box))
            # Two boxes of one face lead to the same landmarks.
            if face and all(overlap(face.box, other.box) < SAME_FACE_OVERLAP for other in confirmed):
                confirmed.append(face)
        return confirmed

    def _look(self, image: np.ndarray, window: SquareCrop) -> FaceLandmarks | None:
        """Landmarks in a window, in two passes, and scores; None where the net sees no face there."""
        points, _ = self._landmarks_in(image, window)
        points, presence = self._landmarks_in(image, window_of_points(points))
        return self._finish(points, presence) if presence >= PRESENCE_THRESHOLD else None

    def _finish(self, points: np.ndarray, presence: float) -> FaceLandmarks:
        (scores,) = self._expression_net(points[None, list(EXPRESSION_NET_LANDMARKS), :2]).values()
        box = np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])
        return FaceLandmarks(
            points.astype(np.float32), np.clip(scores.ravel(), 0.0, 1.0), presence, box.astype(np.float32), 1
        )

    def _landmarks_in(self, image: np.ndarray, window: SquareCrop) -> tuple[np.ndarray, float]:
        drawn = sample_crop(image, window, INPUT_SIZE)
        output = self._landmark_net(drawn[None].astype(np.float32) / 255.0)
        points = output["Identity"].reshape(NUM_LANDMARKS, 3).astype(np.float64)
        presence = float(1 / (1 + np.exp(-np.float64(output["Identity_1"].ravel()[0]))))
        return points_to_picture(points, window, INPUT_SIZE), presence


def check_picture(image: UInt8[np.ndarray, "h w 3"]) -> None:
    """ValueError where a picture is too small to find a face in."""
    height, width = image.shape[:2]
    if min(height, width) < MIN_PICTURE_SIDE:
        raise ValueError(
            f"the picture must have at least {MIN_PICTURE_SIDE}x{MIN_PICTURE_SIDE} pixels to find a face in, "
            f"got {width}x{height}; give a larger one"
        )


def choose_window(faces: list[FaceBox], previous: FaceLandmarks) -> SquareCrop:
    """Where to look for the person of the frame before: the face that overlaps theirs most, else where they were."""
    nearest = max(faces, key=lambda face: overlap(face.box, previous.box), default=None)
    if nearest is None or overlap(nearest.box, previous.box) == 0:
        return window_of_points(previous.points)
    return window_of_face(nearest)


def window_change(before: SquareCrop, after: SquareCrop) -> float:
    """How far a window moved: the largest of its shift over its side, its relative change of size, and its turn."""
    shift = np.hypot(*np.subtract(after.centre, before.centre)) / before.side
    turn = np.remainder(after.angle - before.angle + np.pi, 2.0 * np.pi) - np.pi
    return float(max(shift, abs(after.side / before.side - 1.0), abs(turn)))


def window_of_face(face: FaceBox) -> SquareCrop:
    """Upright window (with respect to the eyes) around a detected box."""
    left, top, right, bottom = face.box
    side = WINDOW_MARGIN * max(right - left, bottom - top)
    return SquareCrop(((left + right) / 2, (top + bottom) / 2), side, tilt(face.eyes[0], face.eyes[1]))


def window_of_points(points: Float[np.ndarray, "478 d"]) -> SquareCrop:
    """Upright window (with respect to the eyes) around landmarks."""
    angle = tilt(points[RIGHT_EYE_OUTER, :2], points[LEFT_EYE_OUTER, :2])
    upright = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points[:, :2] @ upright.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    x, y = upright.T @ ((low + high) / 2)
    return SquareCrop((float(x), float(y)), float(WINDOW_MARGIN * (high - low).max()), angle)


def tilt(right_eye: Float[np.ndarray, "2"], left_eye: Float[np.ndarray, "2"]) -> float:
    """Angle of the line from the subject's right eye to the left one; 0 when upright, positive clockwise as seen."""
    across, down = left_eye - right_eye
    return float(np.arctan2(down, across))
