"""From what the nets saw to what the fit is told: priors from the scores, trust in each landmark."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from omg_jax.tracking.cost import Observation
from omg_jax.tracking.face_mesh import EXPRESSION_SCORES, LEFT_IRIS, RIGHT_IRIS
from omg_jax.tracking.landmark_head import LandmarkHead
from omg_jax.tracking.landmarks import FaceLandmarks

# Turn of an eye (radians) at a score of 1: iris travel of 5.6, 2.8 and 4.0 mm on an eyeball of 12 mm.
SIDEWAYS, UP, DOWN = 0.47, 0.23, 0.33


def observe(
    landmarks: list[FaceLandmarks],
    head: LandmarkHead,
    principal_point: tuple[float, float],
    scale: float = 1.0,
) -> Observation:
    """Observations of frames, in pixels from a principal point of the pictures, times scale.

    Of the face mesh's points those that the head has. Landmarks of presence 0 weigh nothing.
    """
    scores, ids = np.stack([seen.scores for seen in landmarks]), np.asarray(head.ids)
    points = np.stack([seen.points for seen in landmarks])
    seen = np.array([seen.presence > 0 for seen in landmarks], np.float32)
    centred = (points[:, ids] - np.array([*principal_point, 0.0])) * scale
    return Observation(
        points=jnp.asarray(centred, jnp.float32),
        expression=jnp.asarray(scores @ np.asarray(head.expression_by_score)),
        jaw=jnp.asarray(scores @ np.asarray(head.jaw_by_score)),
        gaze=gaze_prior(scores),
        weights=jnp.asarray(landmark_trust(scores, points.shape[1])[:, ids] * seen[:, None]),
    )


def gaze_prior(scores: Float[np.ndarray, "t 52"]) -> Float[Array, "t 4"]:
    """(down, left) of the left eye, then of the right, from the eyeLook scores; radians, the subject's left."""

    def look(direction: str, side: str) -> np.ndarray:
        return score(scores, f"eyeLook{direction}{side}")

    gaze = []
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        gaze.append(DOWN * look("Down", side) - UP * look("Up", side))
        gaze.append(SIDEWAYS * outwards * (look("Out", side) - look("In", side)))
    return jnp.asarray(np.stack(gaze, axis=-1), jnp.float32)


def landmark_trust(scores: Float[np.ndarray, "t 52"], count: int) -> Float[np.ndarray, "t l"]:
    """1 for each landmark, less for the irises of closing eyes: there the net guesses."""
    trust = np.ones((len(scores), count), np.float32)
    for iris, side in ((LEFT_IRIS, "Left"), (RIGHT_IRIS, "Right")):
        trust[:, list(iris)] = 1.0 - score(scores, f"eyeBlink{side}")[:, None]
    return trust


def score(scores: Float[np.ndarray, "t 52"], name: str) -> Float[np.ndarray, "t"]:
    """One expression score of all frames."""
    return scores[:, EXPRESSION_SCORES.index(name)]
