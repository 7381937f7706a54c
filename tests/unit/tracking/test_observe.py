"""Priors of the fit from expression scores."""

import numpy as np

from omg_jax.tracking.face_mesh import EXPRESSION_NET_LANDMARKS, EXPRESSION_SCORES, LEFT_IRIS, RIGHT_IRIS
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.observe import SCORE_GAINS, expression_prior, gaze_prior, observe
from tests.tolerances import FLOAT32_ROUNDING


def seen(**scores: float) -> FaceLandmarks:
    values = np.zeros(52, np.float32)
    for name, value in scores.items():
        values[EXPRESSION_SCORES.index(name)] = value
    points = np.tile(np.array([110.0, 80.0, 6.0], np.float32), (478, 1))
    return FaceLandmarks(points, values, 1.0, np.zeros(4, np.float32), 1)


def test_tables_have_the_nets_sizes():
    assert len(EXPRESSION_SCORES) == len(set(EXPRESSION_SCORES)) == 52
    assert len(set(EXPRESSION_NET_LANDMARKS)) == 146


def test_scores_go_to_units_of_their_name():
    names = ("tongueOut", "jawOpen", "eyeBlinkLeft")
    prior = expression_prior(seen(jawOpen=0.5, eyeBlinkLeft=1.0).scores[None], names)
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


def test_points_count_from_the_principal_point():
    observation = observe([seen()], ("jawOpen",), (100.0, 90.0), scale=2.0)
    np.testing.assert_allclose(observation.points[0, 0], [20.0, -20.0, 12.0], **FLOAT32_ROUNDING)


def test_irises_of_closed_eyes_are_not_trusted():
    weights = np.asarray(observe([seen(eyeBlinkLeft=1.0)], ("jawOpen",), (0.0, 0.0)).weights[0])
    assert (weights[list(LEFT_IRIS)] == 0).all() and (weights[list(RIGHT_IRIS)] == 1).all()
    assert weights[:468].min() == 1
