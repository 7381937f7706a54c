"""The table of metrics."""

import pytest

from omg_jax.evaluation.metrics import DEFAULT_KEYS, EXTRA_KEYS, KEYS, METRICS, metric


def test_keys_are_unique_and_found():
    assert len(set(KEYS)) == len(METRICS)
    assert all(metric(one.key) is one for one in METRICS)
    assert set(DEFAULT_KEYS) | set(EXTRA_KEYS) == set(KEYS) and not set(DEFAULT_KEYS) & set(EXTRA_KEYS)


def test_a_metric_of_another_network_bears_its_name():
    for start in ("lpips", "csim", "akd", "aed", "apd"):
        assert all("(" in one.title for one in METRICS if one.key.startswith(start))


def test_cross_identity_has_identity_expression_and_pose_alone():
    without_target = {one.key for one in METRICS if not one.needs_target}
    assert without_target == {"csim_sface_source", "csim_arcface_source", "aed_tracker", "apd_tracker"}


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no metric 'fid'; the known ones are psnr, ssim"):
        metric("fid")
