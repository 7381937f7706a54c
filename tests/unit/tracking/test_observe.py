"""Priors of the fit from expression scores."""

import numpy as np
import pytest

from omg_jax.head.load import load_head
from omg_jax.tracking.face_mesh import EXPRESSION_NET_LANDMARKS, EXPRESSION_SCORES, LEFT_IRIS, RIGHT_IRIS
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.observe import gaze_prior, observe
from omg_jax.tracking.reduce import SCORE_GAINS, reduce_to_landmarks, units_by_score
from tests.tolerances import FLOAT32_ROUNDING


def seen(**scores: float) -> FaceLandmarks:
    values = np.zeros(52, np.float32)
    for name, value in scores.items():
        values[EXPRESSION_SCORES.index(name)] = value
    points = np.tile(np.array([110.0, 80.0, 6.0], np.float32), (478, 1))
    return FaceLandmarks(points, values, 1.0, np.zeros(4, np.float32), 1)


@pytest.fixture(scope="module")
def reduced():
    return reduce_to_landmarks(load_head("arkit"))


def test_tables_have_the_nets_sizes():
    assert len(EXPRESSION_SCORES) == len(set(EXPRESSION_SCORES)) == 52
    assert len(set(EXPRESSION_NET_LANDMARKS)) == 146


def test_scores_go_to_units_of_their_name():
    names = ("tongueOut", "jawOpen", "eyeBlinkLeft")
    prior = seen(jawOpen=0.5, eyeBlinkLeft=1.0).scores[None] @ units_by_score(names)
    np.testing.assert_allclose(prior, [[0.0, 0.5, SCORE_GAINS["eyeBlinkLeft"]]], **FLOAT32_ROUNDING)


def test_gaze_to_the_subjects_left_turns_both_eyes_left():
    left_down, left_left, right_down, right_left = gaze_prior(
        seen(eyeLookOutLeft=1.0, eyeLookInRight=1.0).scores[None]
    )[0]
    assert left_left > 0 and right_left == left_left
    assert left_down == right_down == 0


def test_gaze_up_and_down_have_opposite_signs():
    down = gaze_prior(seen(eyeLookDownLeft=1.0, eyeLookUpRight=1.0).scores[None])[0]
    assert down[0] > 0 > down[2]


def test_points_count_from_the_principal_point(reduced):
    observation = observe([seen()], reduced, (100.0, 90.0), scale=2.0)
    np.testing.assert_allclose(observation.points[0, 0], [20.0, -20.0, 12.0], **FLOAT32_ROUNDING)


def test_irises_of_closed_eyes_are_not_trusted(reduced):
    weights = np.asarray(observe([seen(eyeBlinkLeft=1.0)], reduced, (0.0, 0.0)).weights[0])
    assert (weights[list(LEFT_IRIS)] == 0).all() and (weights[list(RIGHT_IRIS)] == 1).all()
    assert weights[:468].min() == 1
