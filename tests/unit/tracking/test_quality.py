"""The report of a clip's quality, on a head whose errors are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.rotations import euler_to_matrix
from omg_jax.head.load import load_head
from omg_jax.tracking.cost import FrameFit, project
from omg_jax.tracking.crops import SquareCrop, points_to_picture
from omg_jax.tracking.face_mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.quality import measure_quality, quality_facts
from omg_jax.tracking.reduce import reduce_to_landmarks
from omg_jax.tracking.solve import Solution, focal_pixels
from tests.tolerances import QUALITY

COUNT = 8
WINDOW = SquareCrop((300.0, 200.0), 256.0)  # one pixel of the video is two of the portrait
ERROR = 3.0  # pixels of the video


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture(scope="module")
def solution(head) -> Solution:
    turns = np.stack([np.linspace(-0.2, 0.2, COUNT), np.zeros(COUNT), np.zeros(COUNT)], axis=-1)
    frames = FrameFit(
        euler_to_matrix(jnp.asarray(turns, jnp.float32)),
        jnp.tile(jnp.array([0.0, 0.0, 9.0]), (COUNT, 1)),
        jnp.zeros((COUNT, len(head.expression_names))),
        jnp.zeros((COUNT, 0)),
        jnp.zeros((COUNT, 4)),
    )
    return Solution(jnp.zeros(head.model.shape_basis.shape[-1]), frames, WINDOW)


@pytest.fixture(scope="module")
def found(solution, head) -> list[FaceLandmarks | None]:
    """The head's own landmarks, all ERROR too far to the right, trembling up and down; frames 2 and 3 show nobody."""
    reduced = reduce_to_landmarks(head)
    places = jax.jit(jax.vmap(project, (None, 0, None, None)))(
        reduced, solution.frames, solution.shape, focal_pixels(solution.focal)
    )
    seen: list[FaceLandmarks | None] = []
    for index, place in enumerate(np.asarray(places)):
        points = points_to_picture(np.column_stack([place + 256.0, np.zeros(len(place))]), WINDOW, 512)
        points[:, 0] += ERROR if index % 2 else -ERROR
        seen.append(FaceLandmarks(points.astype(np.float32), np.zeros(52, np.float32), 0.9, np.zeros(4), 2))
    return [None if index in (2, 3) else face for index, face in enumerate(seen)]


def test_errors_gaps_and_trembling_are_those_put_in(solution, found, head):
    quality = measure_quality(solution, found, 2, head)
    assert (quality.frames, quality.lost_frames, quality.lost, quality.faces) == (COUNT, 2, [(2, 3)], 2)
    eyes = [face.points[LEFT_EYE_OUTER] - face.points[RIGHT_EYE_OUTER] for face in found if face]
    iod = np.linalg.norm(eyes, axis=-1).mean()
    np.testing.assert_allclose(quality.iod_px, iod, **QUALITY)
    np.testing.assert_allclose(quality.error_px, ERROR, **QUALITY)
    np.testing.assert_allclose(quality.error_percent, 100.0 * ERROR / iod, **QUALITY)
    detector, own = quality.jitter_percent
    # A shift that changes its sign in every frame has a second difference of four times itself, in x alone.
    np.testing.assert_allclose(detector, 100.0 * 2.0 * ERROR / iod, **QUALITY)
    assert own < detector / 10


def test_the_report_is_plain_and_whole(solution, found, head):
    facts = quality_facts(measure_quality(solution, found, 2, head))
    assert facts["lost_share"] == 2 / COUNT and facts["lost"] == [[2, 3]]
    assert set(facts["error_px"]) == set(facts["error_percent_of_eye_distance"]) == {"median", "p95"}


def test_no_three_frames_in_a_row_have_no_trembling(solution, found, head):
    every_other = [face if index % 2 else None for index, face in enumerate(found)]
    quality = measure_quality(solution, every_other, 1, head)
    assert quality.jitter_percent is None and quality_facts(quality)["jitter_percent_of_eye_distance"] is None
