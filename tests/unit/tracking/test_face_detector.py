"""The face detector's geometry, with a net that a test plays."""

import numpy as np

from omg_jax.tracking.face_detector import (
    INPUT_SIZE,
    FaceBox,
    anchor_centres,
    detect_faces,
    merge_overlapping,
    overlap,
    search_faces,
    search_windows,
)
from tests.tolerances import FLOAT32_ROUNDING, NET_PIXEL


class OneFaceNet:
    """Answers like the detector net where the picture has a bright square: its box, at the anchor nearest to it."""

    def __call__(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        logits, regressed = np.full((1, 896, 1), -10.0, np.float32), np.zeros((1, 896, 16), np.float32)
        rows, columns = np.nonzero(batch[0, ..., 0] > 0.5)
        if len(rows) > 8:
            centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            size = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1])
            origin = anchor_centres() * INPUT_SIZE
            nearest = np.linalg.norm(origin - centre, axis=1).argmin()
            logits[0, nearest] = 4.0
            regressed[0, nearest, :4] = [*(centre - origin[nearest]), *size]
        return {"classificators": logits, "regressors": regressed}


def test_anchors_cover_both_grids_in_the_nets_order():
    anchors = anchor_centres()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2]], np.array([[4, 4], [4, 4], [12, 4]]) / 128, **FLOAT32_ROUNDING)
    np.testing.assert_allclose(anchors[[512, 517, 518]], np.array([[8, 8], [8, 8], [24, 8]]) / 128, **FLOAT32_ROUNDING)


def test_box_comes_back_in_pixels_of_a_wide_picture():
    image = np.zeros((240, 480, 3), np.uint8)
    image[60:120, 300:360] = 255
    (face,) = detect_faces(OneFaceNet(), image)
    shrink = 480 / INPUT_SIZE
    np.testing.assert_allclose(face.box / shrink, np.array([300, 60, 360, 120]) / shrink, **NET_PIXEL)


def test_small_face_is_found_in_a_part_of_the_picture():
    image = np.zeros((1200, 1200, 3), np.uint8)
    image[500:524, 700:724] = 255
    assert detect_faces(OneFaceNet(), image) == []
    (face,) = search_faces(OneFaceNet(), image)
    shrink = 1200 / 2 / INPUT_SIZE
    np.testing.assert_allclose(face.box / shrink, np.array([700, 500, 724, 524]) / shrink, **NET_PIXEL)


def test_no_face():
    assert search_faces(OneFaceNet(), np.zeros((100, 100, 3), np.uint8)) == []


def test_overlapping_candidates_are_one_face_and_distant_ones_two():
    def face(left: float, score: float) -> FaceBox:
        return FaceBox(np.array([left, 0.0, left + 10, 10.0]), np.full((2, 2), left), score)

    merged = merge_overlapping([face(0, 0.6), face(2, 0.9), face(50, 0.7)])
    assert [round(one.score, 3) for one in merged] == [0.9, 0.7]
    np.testing.assert_allclose(merged[0].box[0], (0 * 0.6 + 2 * 0.9) / 1.5, **FLOAT32_ROUNDING)


def test_overlap_is_intersection_over_union():
    a = np.array([0.0, 0.0, 4.0, 2.0])
    np.testing.assert_allclose(overlap(a, np.array([2.0, 0.0, 6.0, 2.0])), 1 / 3, **FLOAT32_ROUNDING)
    assert overlap(a, np.array([5.0, 0.0, 6.0, 2.0])) == 0.0


def test_windows_cover_the_picture():
    for share in (1.0, 0.5, 0.25):
        covered = np.zeros((90, 200), bool)
        for (x, y), side, _ in search_windows(200, 90, share):
            rows, columns = (
                slice(max(0, round(y - side / 2)), round(y + side / 2)),
                slice(max(0, round(x - side / 2)), round(x + side / 2)),
            )
            covered[rows, columns] = True
        assert covered.all()
