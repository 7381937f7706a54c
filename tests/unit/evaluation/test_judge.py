"""The judge, on pictures of a real face: perfect ones, and ones that are worse and worse."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.assets.registry import asset_path
from omg_jax.evaluation import measures
from omg_jax.evaluation.judge import Judge
from omg_jax.evaluation.metrics import DEFAULT_KEYS, METRICS
from omg_jax.evaluation.regions import REGIONS
from omg_jax.losses.perceptual import perceptual_loss
from omg_jax.losses.perceptual_weights import load_perceptual
from tests.tolerances import FLOAT32_ROUNDING, SAME_PERSON, SAME_POSE, SHIFTED_LANDMARKS
from tests.unit.evaluation.distortions import GROWING
from tests.unit.evaluation.portraits import SHIFTS, arkit, astronaut_pair

PERFECT = {"psnr": 100.0, "ssim": 1.0, "csim_sface_target": 1.0}  # psnr of every region too; all others 0


@pytest.fixture(scope="module")
def judge():
    return Judge(arkit())


@pytest.fixture(scope="module")
def reference(judge):
    return judge.reference(astronaut_pair())


def targets() -> list[np.ndarray]:
    return list(astronaut_pair().driver_images)


def mean(rows: list[dict], key: str) -> float:
    return float(np.mean([row[key] for row in rows if row[key] is not None]))


def test_perfect_pictures_have_the_perfect_score(judge, reference):
    rows = judge.score(reference, targets())
    assert [tuple(row) for row in rows] == [DEFAULT_KEYS] * len(SHIFTS)
    assert [row["flicker"] for row in rows] == [None, 0.0, 0.0]
    for row in rows:
        for key in set(DEFAULT_KEYS) - {"csim_sface_source", "flicker"}:
            expected = PERFECT.get("psnr" if key.startswith("psnr") else key, 0.0)
            np.testing.assert_allclose(row[key], expected, **FLOAT32_ROUNDING, err_msg=key)
    # The first driver frame is the photo itself.
    np.testing.assert_allclose(rows[0]["csim_sface_source"], 1.0, **FLOAT32_ROUNDING)


@pytest.mark.parametrize("kind", GROWING)
def test_more_distortion_scores_worse(judge, reference, kind):
    distort, amounts = GROWING[kind]
    scored = [judge.score(reference, [distort(target, amount) for target in targets()]) for amount in amounts]
    higher_is_better = {metric.key: metric.higher_is_better for metric in METRICS}
    whole = ("psnr", "ssim", "lpips_alex", "psnr_head", "psnr_mouth", "psnr_eyes", "psnr_hair", "psnr_shoulders")
    faces = {"blur": ("csim_sface_target",), "noise": ("csim_sface_target",), "shift": ("akd_mediapipe",)}
    for key in (*whole, *faces[kind]):
        for better, worse in itertools.pairwise(scored):
            sign = 1 if higher_is_better[key] else -1
            assert sign * mean(better, key) > sign * mean(worse, key), key
    if kind == "shift":
        # Half of the shift, since nothing moves down; the head's expression and pose are hardly others.
        np.testing.assert_allclose([mean(rows, "akd_mediapipe") for rows in scored], [1, 2, 4], **SHIFTED_LANDMARKS)


def test_rows_hold_what_the_measures_say(judge, reference):
    distort, (amount, *_) = GROWING["noise"]
    pictures = [distort(target, amount) for target in targets()]
    rows, pair = judge.score(reference, pictures), astronaut_pair()
    params = load_perceptual(asset_path("lpips-alexnet"))
    distances = jax.jit(perceptual_loss)(params, jnp.asarray(np.stack(pictures)), jnp.asarray(pair.driver_images))
    for index, (row, picture, target) in enumerate(zip(rows, pictures, targets(), strict=True)):
        masks = reference.masks[index]
        expected = {
            "psnr": measures.psnr(picture, target),
            "ssim": measures.ssim(picture, target),
            "lpips_alex": distances[index],
            **{f"psnr_{region}": measures.psnr(picture, target, mask) for region, mask in masks.items()},
        }
        for key, value in expected.items():
            np.testing.assert_allclose(row[key], value, **FLOAT32_ROUNDING, err_msg=key)
    flicker = measures.flicker(pictures[1], pair.driver_images[1], pictures[0], pair.driver_images[0])
    assert rows[1]["flicker"] == flicker


def test_frames_that_are_no_neighbours_do_not_flicker(judge):
    pair = astronaut_pair()._replace(frame_numbers=(10, 11, 30))
    by_pixel = judge.score(judge.reference(pair), targets())
    assert [row["flicker"] for row in by_pixel] == [None, 0.0, None]


def test_identical_runs_give_identical_numbers(judge, reference):
    pictures = [GROWING["blur"][0](target, 2.0) for target in targets()]
    again = Judge(arkit())
    assert again.score(again.reference(astronaut_pair()), pictures) == judge.score(reference, pictures)


def test_masks_follow_the_driver(reference):
    shift = SHIFTS[2]
    np.testing.assert_array_equal(reference.masks[2]["mouth"][:, shift:], reference.masks[0]["mouth"][:, :-shift])


def test_cross_identity_has_identity_expression_and_pose_alone(judge):
    pair = astronaut_pair(has_targets=False)
    rows = judge.score(judge.reference(pair), targets())
    for row in rows:
        present = {key for key, value in row.items() if value is not None}
        assert present == {"csim_sface_source", "aed_tracker", "apd_tracker"}
        assert row["csim_sface_source"] > SAME_PERSON and row["apd_tracker"] < SAME_POSE


def test_a_face_that_is_not_found_has_no_score_and_the_pixels_do(judge, reference):
    pictures = targets()
    pictures[1] = np.zeros_like(pictures[1])
    rows = judge.score(reference, pictures)
    missing = {key for key, value in rows[1].items() if value is None}
    assert missing == {metric.key for metric in METRICS if metric.of_face and metric.key in DEFAULT_KEYS}
    assert None not in rows[2].values()


def test_only_what_is_asked_for_is_computed():
    judge = Judge(arkit(), ("ssim", "psnr_mouth"))
    reference = judge.reference(astronaut_pair())
    assert reference.faces == [] and reference.lpips == {} and list(reference.masks[0]) == list(REGIONS)
    assert judge.score(reference, targets())[0] == {"ssim": 1.0, "psnr_mouth": 100.0}


def test_back_ends_name_the_weights(judge):
    assert set(judge.back_ends) == set(DEFAULT_KEYS)
    for key in ("lpips_alex", "csim_sface_target", "akd_mediapipe", "aed_tracker", "psnr_head"):
        assert "sha256 " in judge.back_ends[key]
    assert "SFace" in judge.back_ends["csim_sface_source"] and "AlexNet" in judge.back_ends["lpips_alex"]


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda picture: picture[:-1], r"frame 11: expected a picture of shape \(512, 512, 3\), got \(511, 512, 3\)"),
        (lambda picture: np.where(np.eye(512)[..., None] > 0, np.nan, picture), "frame 11: expected finite values"),
        (lambda picture: 255.0 * picture, r"frame 11: expected finite values in \[0, 1\], got values from 0 to 255"),
    ],
)
def test_pictures_that_cannot_be_measured_are_refused(judge, reference, spoil, message):
    pictures = targets()
    pictures[1] = spoil(pictures[1])
    with pytest.raises(ValueError, match=message):
        judge.score(reference, pictures)


def test_missing_pictures_and_unknown_metrics_are_refused(judge, reference):
    with pytest.raises(ValueError, match="pair astronaut: expected a picture for each of 3 frames, got 2"):
        judge.score(reference, targets()[:2])
    with pytest.raises(ValueError, match="no metric 'fid'"):
        Judge(arkit(), ("psnr", "fid"))
    with pytest.raises(ValueError, match="give its ONNX file"):
        Judge(arkit(), ("csim_arcface_source",))
