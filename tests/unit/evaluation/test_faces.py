"""Faces found in pictures, and heads fitted to them."""

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.evaluation.faces import HeadFitter, find_face, to_bytes
from omg_jax.geometry.rotations import matrix_to_euler
from omg_jax.tracking.crops import SquareCrop
from omg_jax.tracking.landmarks import FaceLandmarker
from omg_jax.tracking.solve import fit_in_window
from tests.tolerances import FLOAT32_ROUNDING, LANDMARK_REPEAT, SHAPE_CORRELATION
from tests.unit.evaluation.portraits import SHIFTS, arkit, astronaut_pair

SIZE = (512, 512)


@pytest.fixture(scope="module")
def landmarker():
    return FaceLandmarker()


@pytest.fixture(scope="module")
def fitter():
    return HeadFitter(arkit())


@pytest.fixture(scope="module")
def faces(landmarker):
    return [find_face(landmarker, to_bytes(image)) for image in astronaut_pair().driver_images]


def test_faces_move_with_the_picture(faces):
    eyes = np.linalg.norm(faces[0].points[33] - faces[0].points[263])
    for face, shift in zip(faces, SHIFTS, strict=True):
        back = face.points - np.float32([shift, 0, 0])
        np.testing.assert_allclose((back - faces[0].points)[:, :2] / eyes, 0.0, **LANDMARK_REPEAT)


def test_a_small_face_is_found_where_there_is_no_other(landmarker):
    pixels = to_bytes(astronaut_pair().source_image)
    small = np.zeros_like(pixels)
    small[300:384, 60:144] = pixels[::6, ::6][:84, :84]
    face = find_face(landmarker, small)
    assert face is not None and 60 < face.box[0] < face.box[2] < 144
    assert find_face(landmarker, np.zeros_like(pixels)) is None


def test_a_fit_is_the_trackers_and_equal_faces_have_equal_ones(fitter, faces):
    shape = jnp.asarray(astronaut_pair().source_params.shape_params)
    fits = fitter.fit([faces[0], None, faces[2], faces[0]], SIZE, shape)
    assert fits[1] is None
    for one, other in zip(fits[0], fits[3], strict=True):
        np.testing.assert_array_equal(one, other)
    tracked = fit_in_window([faces[0], faces[2]], arkit(), SquareCrop((256.0, 256.0), 512.0), shape).frames
    angles = np.asarray(matrix_to_euler(tracked.rotation))
    for row, fit in enumerate((fits[0], fits[2])):
        np.testing.assert_allclose(fit.expression, tracked.expression[row], **FLOAT32_ROUNDING)
        np.testing.assert_allclose(fit.angles, angles[row], **FLOAT32_ROUNDING)


def test_faces_keep_their_fits_whoever_else_is_missing(fitter, faces):
    shape = jnp.asarray(astronaut_pair().source_params.shape_params)
    everyone, others_missing = fitter.fit(faces, SIZE, shape), fitter.fit([None, faces[1], None], SIZE, shape)
    np.testing.assert_array_equal(others_missing[1].expression, everyone[1].expression)
    np.testing.assert_array_equal(others_missing[1].angles, everyone[1].angles)


def test_nobody_has_no_fit_and_the_mean_shape(fitter):
    shape = fitter.shape([None, None], SIZE)
    assert not shape.any()
    assert fitter.fit([None, None], SIZE, shape) == [None, None]


def test_a_shape_is_fitted_to_whoever_was_found(fitter, faces):
    shape = np.asarray(fitter.shape([None, *faces], SIZE))
    known = np.asarray(astronaut_pair().source_params.shape_params)
    assert np.corrcoef(shape, known)[0, 1] > SHAPE_CORRELATION
