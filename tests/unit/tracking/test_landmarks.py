"""The landmark nets on a real photo (the nets come through the assets registry)."""

import numpy as np
import pytest
from skimage import data

from omg_jax.tracking.face_mesh import EXPRESSION_SCORES, LEFT_EYE_OUTER, LEFT_IRIS, RIGHT_EYE_OUTER, RIGHT_IRIS
from omg_jax.tracking.landmarks import FaceLandmarker
from tests.tolerances import LANDMARK_REPEAT, PHOTO_LANDMARKS

# Where a person sees them in skimage's astronaut: x, y in pixels.
NOSE_TIP, CHIN = 1, 152
BY_EYE = {RIGHT_IRIS[0]: (203, 101), LEFT_IRIS[0]: (247, 103), NOSE_TIP: (223, 129), CHIN: (222, 178)}


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut()


@pytest.fixture(scope="module")
def seen(landmarker, photo):
    return landmarker(photo)


def test_landmarks_lie_where_a_person_sees_them(seen):
    assert seen.points.shape == (478, 3) and seen.num_faces == 1
    for index, place in BY_EYE.items():
        np.testing.assert_allclose(seen.points[index, :2], place, **PHOTO_LANDMARKS)


def test_the_nose_is_nearer_than_the_face_oval(seen):
    assert seen.points[NOSE_TIP, 2] < seen.points[[127, 356], 2].min()


def test_scores_see_the_smile(seen):
    scores = dict(zip(EXPRESSION_SCORES, seen.scores, strict=True))
    assert scores["mouthSmileLeft"] > 0.5 and scores["mouthSmileRight"] > 0.5
    assert scores["jawOpen"] < 0.3 and scores["mouthPucker"] < 0.1


def test_landmarks_move_with_the_photo_and_grow_with_it(landmarker, photo, seen):
    shifted = np.zeros((700, 900, 3), np.uint8)
    shifted[100:612, 250:762] = photo
    moved = landmarker(shifted)
    iod = np.linalg.norm(seen.points[RIGHT_EYE_OUTER] - seen.points[LEFT_EYE_OUTER])
    np.testing.assert_allclose((moved.points[:, :2] - [250, 100] - seen.points[:, :2]) / iod, 0, **LANDMARK_REPEAT)
    doubled = landmarker(photo.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_allclose((doubled.points[:, :2] / 2 - seen.points[:, :2]) / iod, 0, **LANDMARK_REPEAT)


def test_a_head_on_its_side_is_found(landmarker, photo, seen):
    turned = landmarker(np.ascontiguousarray(np.rot90(photo)))
    back = np.stack([photo.shape[1] - turned.points[:, 1], turned.points[:, 0]], axis=-1)
    iod = np.linalg.norm(seen.points[RIGHT_EYE_OUTER] - seen.points[LEFT_EYE_OUTER])
    np.testing.assert_allclose((back - seen.points[:, :2]) / iod, 0, **LANDMARK_REPEAT)


def test_the_largest_of_several_faces_is_taken_unless_another_was_followed(landmarker, photo, seen):
    both = np.zeros((512, 768, 3), np.uint8)
    both[:, :512] = photo
    both[:256, 512:] = photo[::2, ::2]
    largest = landmarker(both)
    assert largest.num_faces == 2 and largest.box[2] < 512
    followed = landmarker(
        both,
        previous=largest._replace(
            points=seen.points / 2 + np.float32([512, 0, 0]), box=seen.box / 2 + np.float32([512, 0, 512, 0])
        ),
    )
    assert followed.box[0] > 512


def test_a_lost_face_is_looked_for_where_it_was(landmarker, photo, seen, monkeypatch):
    monkeypatch.setattr("omg_jax.tracking.landmarks.detect_faces", lambda net, image: [])
    again = landmarker(photo, previous=seen)
    iod = np.linalg.norm(seen.points[RIGHT_EYE_OUTER] - seen.points[LEFT_EYE_OUTER])
    np.testing.assert_allclose((again.points[:, :2] - seen.points[:, :2]) / iod, 0, **LANDMARK_REPEAT)
    assert landmarker(np.zeros_like(photo), previous=seen) is None


def test_no_face(landmarker):
    noise = np.random.default_rng(0).integers(0, 255, (200, 240, 3)).astype(np.uint8)
    assert landmarker(noise) is None


def test_too_small_a_picture_is_refused(landmarker):
    with pytest.raises(ValueError, match="at least 64x64.*got 20x30"):
        landmarker(np.zeros((30, 20, 3), np.uint8))
