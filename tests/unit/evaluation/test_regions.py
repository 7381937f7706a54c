"""Parts of a portrait."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.evaluation.regions import REGIONS, region_masks
from omg_jax.geometry.camera import world_to_pixels
from omg_jax.head.model import head_landmarks, head_vertices
from omg_jax.tracking.face_mesh import INNER_LIPS, LEFT_EYELIDS, LEFT_IRIS, RIGHT_IRIS
from tests.unit.evaluation.portraits import arkit, astronaut_pair, moved

SHIFT = 20


@pytest.fixture(scope="module")
def masks():
    pair = astronaut_pair()
    return region_masks(arkit(), pair.source_params, pair.source_camera, pair.source_matte)


@pytest.fixture(scope="module")
def landmarks():
    pair, model = astronaut_pair(), arkit().model
    params, camera = jax.tree.map(jnp.asarray, (pair.source_params, pair.source_camera))
    points = head_landmarks(model, jax.jit(head_vertices)(model, params))
    return np.asarray(world_to_pixels(camera, points)[0])


def test_the_picture_falls_into_head_and_outside(masks):
    assert tuple(masks) == REGIONS
    np.testing.assert_array_equal(masks["outside"], ~masks["head"])
    assert not (masks["hair"] & masks["shoulders"]).any()
    for region in ("hair", "shoulders"):
        assert masks[region].sum() > 5000 and not (masks[region] & masks["head"]).any()


def test_mouth_and_eyes_lie_around_their_landmarks_in_the_head(masks, landmarks):
    for region, ids in (("mouth", INNER_LIPS), ("eyes", (*LEFT_IRIS, *RIGHT_IRIS))):
        columns, rows = landmarks[list(ids)].astype(int).T
        assert masks[region][rows, columns].all()
        assert (masks[region] & masks["head"]).sum() == masks[region].sum() > 1000
    assert not (masks["mouth"] & masks["eyes"]).any()


def test_eyes_reach_eight_pixels_over_the_lids(masks, landmarks):
    lids = landmarks[list(LEFT_EYELIDS)]
    columns = np.flatnonzero(masks["eyes"][:, 256:].any(axis=0)) + 256  # the subject's left eye is on the right
    assert abs(columns.min() - (lids[:, 0].min() - 8)) < 2 and abs(columns.max() + 1 - (lids[:, 0].max() + 8)) < 2


def test_hair_lies_above_the_shoulders(masks, landmarks):
    chin = landmarks[152, 1]
    assert np.nonzero(masks["hair"])[0].max() < chin < np.nonzero(masks["shoulders"])[0].min() + 1.5


def test_regions_move_with_the_camera(masks):
    pair = astronaut_pair()
    intrinsics = pair.source_camera.intrinsics.copy()
    intrinsics[0, 2] += SHIFT
    camera = pair.source_camera._replace(intrinsics=intrinsics)
    shifted = region_masks(arkit(), pair.source_params, camera, moved(pair.source_matte, SHIFT))
    for region in ("head", "mouth", "eyes", "hair", "shoulders"):
        np.testing.assert_array_equal(shifted[region][:, SHIFT:], masks[region][:, :-SHIFT])


def test_a_head_without_landmarks_of_a_part_has_none_of_it():
    pair, head = astronaut_pair(), arkit()
    ids = np.where(np.isin(head.landmark_ids, LEFT_EYELIDS), -1, head.landmark_ids)
    masks = region_masks(head._replace(landmark_ids=ids), pair.source_params, pair.source_camera, pair.source_matte)
    assert masks["eyes"][:, :256].any() and not masks["eyes"][:, 256:].any()
