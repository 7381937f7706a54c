"""Aligned faces and their embeddings; SFace's values are held to onnxruntime in tests/parity."""

import cv2
import numpy as np
import pytest
import skimage.data

from omg_jax.evaluation.faces import find_face
from omg_jax.evaluation.identity import (
    ALIGNED_POINTS,
    FACE_SIZE,
    FIVE_POINTS,
    FaceIdentity,
    align_face,
    arcface,
    sface,
)
from omg_jax.evaluation.measures import csim
from omg_jax.tracking.crops import sample_crop
from omg_jax.tracking.landmarks import FaceLandmarker
from tests.tolerances import ALIGNED_FACE, FLOAT32_ROUNDING, SAME_PERSON
from tests.unit.evaluation.onnx_matmul import onnx_matmul


@pytest.fixture(scope="module")
def landmarker():
    return FaceLandmarker()


@pytest.fixture(scope="module")
def network():
    return sface()


def embedding(landmarker, network, picture):
    return network(picture, find_face(landmarker, picture).points)


def test_eyes_nose_and_mouth_come_to_their_places(landmarker):
    photo = skimage.data.astronaut()
    face = sample_crop(photo, align_face(find_face(landmarker, photo).points[list(FIVE_POINTS), :2]), FACE_SIZE)
    large = cv2.resize(face, None, fx=4, fy=4)
    points = find_face(landmarker, np.pad(large, ((100, 100), (100, 100), (0, 0)))).points[list(FIVE_POINTS), :2]
    np.testing.assert_allclose((points - 100) / 4, ALIGNED_POINTS + 0.5, **ALIGNED_FACE)


def test_a_face_is_the_same_person_turned_and_in_another_size(landmarker, network):
    photo = skimage.data.astronaut()
    known = embedding(landmarker, network, photo)
    assert known.shape == (128,)
    turned = cv2.warpAffine(photo, cv2.getRotationMatrix2D((256, 256), 30, 1.0), (512, 512))
    for same in (turned, cv2.resize(photo, None, fx=1.5, fy=1.5)):
        assert csim(embedding(landmarker, network, same), known) > SAME_PERSON
    assert csim(embedding(landmarker, network, photo), known) == csim(known, known)


def test_arcface_sees_rgb_from_minus_one_to_one(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.normal(0.0, 1e-2, (3 * FACE_SIZE**2, 4)).astype(np.float32)
    (tmp_path / "arcface.onnx").write_bytes(onnx_matmul(weights, (1, 3, FACE_SIZE, FACE_SIZE)))
    face = rng.integers(0, 256, (FACE_SIZE, FACE_SIZE, 3)).astype(np.uint8)
    expected = ((np.float64(face) - 127.5) / 127.5).transpose(2, 0, 1).ravel() @ weights
    network = arcface(tmp_path / "arcface.onnx")
    np.testing.assert_allclose(network.embed(face), expected, **FLOAT32_ROUNDING)
    assert network.back_end.startswith("ArcFace by OpenCV's dnn, weights of sha256 ")


def test_files_that_are_no_network_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no ArcFace network at .*missing.onnx"):
        arcface(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ValueError, match="cannot read .*text.onnx as an ONNX file"):
        FaceIdentity(tmp_path / "text.onnx", "ArcFace")
