"""Faces in pictures as the metrics see them: found in each picture by itself, and a head fitted to each.

Nothing of what a method was told enters: a picture's landmarks are those of the picture alone, so that two equal
pictures have equal ones.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from omg_jax.geometry.rotations import matrix_to_euler
from omg_jax.head.load import Head
from omg_jax.tracking.cost import Observation
from omg_jax.tracking.crops import SquareCrop
from omg_jax.tracking.face_detector import box_area
from omg_jax.tracking.fit import fit_clip, fit_frames
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.reduce import reduce_to_landmarks
from omg_jax.tracking.solve import BATCH, SHAPE_FRAMES, TRACKED_FOCAL, focal_pixels, observe_in, spread

Face = FaceLandmarks | None
"""What was found in a picture; None where no face was."""


class HeadFit(NamedTuple):
    """A head fitted to a face: its expression parameters, and its yaw, pitch and roll in radians."""

    expression: Float[np.ndarray, " e"]
    angles: Float[np.ndarray, "3"]


def to_bytes(picture: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """A picture in [0, 1] as the face nets read pictures."""
    return np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)


def find_face(landmarker: FaceLandmarker, picture: UInt8[np.ndarray, "h w 3"]) -> Face:
    """The largest face that the detector sees in the whole picture; only where there is none, small ones count."""
    faces = landmarker.confirm(picture, landmarker.detect(picture)) or landmarker.search(picture)
    return max(faces, key=lambda face: box_area(face.box), default=None)


class HeadFitter:
    """Fits a head to the faces of portraits, each by itself: expression and pose.

    All are taken to be seen by the tracker's camera.

    ValueError where the head has too few landmarks.
    """

    def __init__(self, head: Head):
        self._reduced = reduce_to_landmarks(head)

    def shape(self, faces: list[Face], size: tuple[int, int]) -> Float[Array, " s"]:
        """A person's shape, fitted to frames spread over those that show a face; the mean head's where none does."""
        found = [face for face in faces if face]
        if not found:
            return jnp.zeros(self._reduced.shape_basis.shape[-1])
        chosen = [found[index] for index in spread(len(found), SHAPE_FRAMES)]
        return fit_clip(self._reduced, self._observe(chosen, size), focal_pixels(TRACKED_FOCAL))[1]

    def fit(self, faces: list[Face], size: tuple[int, int], shape: Float[Array, " s"]) -> list[HeadFit | None]:
        """Heads of this shape, fitted to the faces of pictures of (height, width) pixels; None where there is none."""
        anyone = next((face for face in faces if face), None)
        if anyone is None:
            return [None] * len(faces)
        # Each frame has its place in a batch, whoever is missing: equal faces have equal fits to the bit.
        seen = self._observe([face or anyone for face in faces], size)
        focal, batches = focal_pixels(TRACKED_FOCAL), _batches(seen, len(faces))
        fits = [fit_frames(self._reduced, batch, focal, shape) for batch in batches]
        expression = np.concatenate([fit.expression for fit in fits])
        angles = np.asarray(matrix_to_euler(jnp.concatenate([fit.rotation for fit in fits])))
        return [face and HeadFit(*both) for face, *both in zip(faces, expression, angles, strict=False)]

    def _observe(self, faces: list[FaceLandmarks], size: tuple[int, int]) -> Observation:
        height, width = size
        return observe_in(faces, self._reduced, SquareCrop((width / 2, height / 2), float(min(size))))


def _batches(seen: Observation, count: int) -> list[Observation]:
    """Observations in batches of one size, so that one program fits them all; the last one fills up the last batch."""
    starts = range(0, count, BATCH)
    rows = [np.minimum(np.arange(start, start + BATCH), count - 1) for start in starts]
    return [Observation(*(np.asarray(values)[chosen] for values in seen)) for chosen in rows]
