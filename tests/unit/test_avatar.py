"""Avatars: what reconstruction leaves out, and that players draw what the model says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax import avatar as avatar_module
from omg_jax.avatar import (
    Avatar,
    Network,
    build_program,
    frame_program,
    make_person,
    make_player,
    make_reconstructor,
    pose_person,
)
from omg_jax.configs import load_preset
from omg_jax.geometry.camera import circle_camera, portrait_intrinsics, world_to_camera_points
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.models.dinov2 import DinoV2
from omg_jax.models.omg import FrameModel, Reconstruction, build_model
from omg_jax.models.state import split_model
from omg_jax.types import Camera, HeadParams, Torso
from tests.tolerances import EXACT, FLOAT32_ROUNDING, FRAME, SKINNING

CAPACITY = 100
LOD = 1
TURN = np.radians(25.0)


class GreyBackbone(DinoV2):
    """Four taps of constant tokens, without the real backbone's weights."""

    def __init__(self, num_tokens: int, channels: int):
        self.shape = (num_tokens, channels)

    def __call__(self, image):
        return (jnp.full((image.shape[0], *self.shape), 0.1),) * 4


@pytest.fixture(scope="module")
def network() -> Network:
    preset = load_preset("tiny")
    plane = dataclasses.replace(preset.model.plane, capacity=CAPACITY)
    model_config = dataclasses.replace(preset.model, plane=plane)
    config, head = dataclasses.replace(preset, model=model_config), load_head("arkit")
    model = build_model(model_config, head.model, seed=0)
    model.refiner.last.kernel[...] += 0.01  # an untrained refiner changes nothing
    return Network(config, head, model, GreyBackbone((model_config.backbone_size // 14) ** 2, 384), "0" * 64)


@pytest.fixture(scope="module")
def photo(network) -> tuple:
    size, pose = network.config.model.image_size, np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = 9.2
    camera = Camera(jnp.asarray(pose), portrait_intrinsics((size, size)))
    params = zero_params(network.head.model)
    params = params._replace(shape_params=params.shape_params + 0.3)
    return jnp.full((size, size, 3), 0.5), jnp.ones((size, size)), params, camera


@pytest.fixture(scope="module")
def avatar(network, photo) -> Avatar:
    with pytest.warns(UserWarning, match=f"the least opaque, were left out: plane.capacity is {CAPACITY}"):
        return make_reconstructor(network)(*photo)


@pytest.fixture(scope="module")
def motion(photo) -> tuple[HeadParams, Camera]:
    """Another person who opens their mouth and turns their head."""
    params = photo[2]._replace(shape_params=-photo[2].shape_params)
    return params._replace(jaw_pose=jnp.array([0.2, 0.0, 0.0])), circle_camera(photo[3], TURN, 0.0)


def test_plane_gaussians_beyond_the_capacity_are_reported(avatar):
    assert np.count_nonzero(avatar.plane.opacities) == CAPACITY


def test_another_photo_compiles_nothing_and_starts_from_the_same_queries(network, photo, avatar, monkeypatch):
    config = network.config.model
    graphs = (split_model(network.model)[0], split_model(network.backbone)[0])
    lods = tuple(range(config.num_levels + 1))
    program = build_program(*graphs, config.backbone_size, lods, config.plane.capacity)
    again = make_reconstructor(network)
    monkeypatch.setattr(avatar_module, "queries_program", None)  # the queries are there already
    with pytest.warns(UserWarning):
        other = again(0.5 * photo[0], *photo[1:])
    assert program._cache_size() == 1
    assert np.any(other.levels[LOD].features != avatar.levels[LOD].features)


def specified(network, avatar, params, view, refine=True):
    """The frame as the model's own pose and render say it."""
    size = network.config.model.image_size
    one = jax.tree.map(
        lambda x: jnp.asarray(x)[None],
        (avatar.levels[LOD], avatar.plane, avatar.vertex_offsets, avatar.photo, avatar.shape_params),
    )
    level, *rest, shape = one
    params, view = jax.tree.map(lambda x: x[None], (params, view))
    gaussians = network.model.pose(Reconstruction({LOD: level}, *rest), shape, params, LOD)
    coarse, refined, output = network.model.render(gaussians, rest[-1], view, (size, size))
    return gaussians, np.clip((refined if refine else coarse)[0], 0.0, 1.0), output.alpha[0]


@pytest.mark.parametrize("refine", [True, False])
def test_a_player_draws_what_the_model_says(network, avatar, motion, refine):
    frame = make_player(network, avatar, LOD, refine=refine, shoulders_follow=True)(*motion)
    _, picture, alpha = specified(network, avatar, *motion, refine)
    np.testing.assert_allclose(frame.refined, picture, **FRAME)
    np.testing.assert_allclose(frame.alpha, alpha, **FRAME)


def test_shoulders_stay_unless_told_otherwise(network, avatar, motion):
    default, still, follow = (
        make_player(network, avatar, LOD, **how)(*motion).alpha
        for how in ({}, {"shoulders_follow": False}, {"shoulders_follow": True})
    )
    np.testing.assert_allclose(default, still, **EXACT)
    assert np.any(default != follow)


def test_without_a_refiner_a_picture_has_any_size(network, avatar, motion):
    params, camera = motion
    size = network.config.model.image_size
    odd = make_player(network, avatar, LOD, (size - 3, size + 5), refine=False)(params, camera)
    assert odd.refined.shape == (size - 3, size + 5, 3)
    whole = make_player(network, avatar, LOD, refine=False)(params, camera)
    np.testing.assert_allclose(odd.coarse[:, :size], whole.coarse[: size - 3], **FRAME)
    with pytest.raises(ValueError, match="without the refiner"):
        make_player(network, avatar, LOD, (size - 3, size + 5))(params, camera)


def test_a_player_keeps_what_frames_use(network):
    """The subdivision's tables and the refiner; without a refiner no weights at all."""
    _, weights, _ = split_model(FrameModel(network.model, refine=True))
    assert set(weights) == {"refiner"}
    jax.tree.map(np.testing.assert_array_equal, weights["refiner"], split_model(network.model)[1]["refiner"])
    assert jax.tree.leaves(split_model(FrameModel(network.model, refine=False))[1]) == []


def test_a_person_is_posed_as_the_model_says(network, avatar, motion):
    person = make_person(network, avatar, LOD, shoulders_follow=True)
    ours = pose_person(network.model, person, *motion, LOD)
    theirs, *_ = specified(network, avatar, *motion)
    np.testing.assert_allclose(ours.means, theirs.means[0], **SKINNING)
    for name in ("quats", "scales", "opacities", "features"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name)[0], **EXACT)


def test_a_view_only_moves_the_camera(network, avatar, photo, motion):
    player = make_player(network, avatar, LOD, shoulders_follow=True)
    params, camera = motion
    np.testing.assert_allclose(player(params, photo[3], camera).refined, player(params, camera).refined, **EXACT)


def test_drivers_may_be_played_in_batches(network, avatar, photo, motion):
    player = make_player(network, avatar, LOD)
    params, camera = motion
    cameras = jax.tree.map(lambda *x: jnp.stack(x), camera, photo[3])
    frames = jax.vmap(player, in_axes=(None, 0))(params, cameras)
    for index, one in enumerate((camera, photo[3])):
        np.testing.assert_allclose(frames.refined[index], player(params, one).refined, **FRAME)


def test_another_avatar_is_played_by_the_same_program(network, avatar, motion):
    player = make_player(network, avatar, LOD)
    player(*motion)
    graphdef = split_model(FrameModel(network.model, refine=True))[0]
    program = frame_program(graphdef, LOD, (network.config.model.image_size,) * 2, True)
    compiled = program._cache_size()
    other = avatar._replace(vertex_offsets=avatar.vertex_offsets + 0.01)
    assert np.any(make_player(network, other, LOD)(*motion).refined != player(*motion).refined)
    assert program._cache_size() == compiled > 0


def test_shoulders_that_stay_keep_the_photos_orientation(network, avatar, photo, motion):
    """Seen by the cameras, what lies low moved with the neck and did not turn; what lies high did as ever."""
    params, turned = motion
    person = make_person(network, avatar, LOD, shoulders_follow=False)
    shares = np.asarray(person.shoulders.shares)
    assert shares.min() == 0.0 and shares.max() == 1.0
    follow = pose_person(network.model, person._replace(shoulders=None), params, turned, LOD)
    still = pose_person(network.model, person, params, turned, LOD)
    head, low = shares == 0.0, shares == 1.0
    np.testing.assert_allclose(still.means[head], follow.means[head], **SKINNING)
    before = world_to_camera_points(photo[3], follow.means[low] - person.shoulders.pivot)
    after = world_to_camera_points(turned, still.means[low] - person.shoulders.pivot)
    centres = [world_to_camera_points(camera, jnp.zeros((1, 3))) for camera in (photo[3], turned)]
    np.testing.assert_allclose(after - centres[1], before - centres[0], **SKINNING)


def test_shoulders_that_stay_are_where_they_were_under_the_photos_camera(network, avatar, photo):
    person = make_person(network, avatar, LOD, shoulders_follow=False)
    follow = pose_person(network.model, person._replace(shoulders=None), photo[2], photo[3], LOD)
    still = pose_person(network.model, person, photo[2], photo[3], LOD)
    np.testing.assert_allclose(still.means, follow.means, **SKINNING)
    np.testing.assert_allclose(still.quats, follow.quats, **FLOAT32_ROUNDING)


def test_shoulders_move_as_the_torso(network, avatar, photo, motion):
    """From where they were in the frame of reference, in the camera's space; what lies high goes with the head."""
    params, turned = motion
    person = make_person(network, avatar, LOD, shoulders_follow=False)
    shares = np.asarray(person.shoulders.shares)
    rigid = jnp.eye(4).at[:3, :3].set(axis_angle_to_matrix(jnp.array([0.1, -0.2, 0.3]))).at[:3, 3].set(0.2)
    torso = Torso(rigid, photo[3].world_to_camera)
    before = pose_person(network.model, person, photo[2], photo[3], LOD)
    after = pose_person(network.model, person, params, turned, LOD, torso)
    follow = pose_person(network.model, person._replace(shoulders=None), params, turned, LOD)
    head, low = shares == 0.0, shares == 1.0
    np.testing.assert_allclose(after.means[head], follow.means[head], **SKINNING)
    expected = world_to_camera_points(photo[3], before.means[low]) @ rigid[:3, :3].T + rigid[:3, 3]
    np.testing.assert_allclose(world_to_camera_points(turned, after.means[low]), expected, **SKINNING)


def test_a_player_moves_shoulders_as_it_is_told(network, avatar, motion):
    params, camera = motion
    player = make_player(network, avatar, LOD)
    still = player(params, camera).alpha
    same = player(params, camera, None, Torso(jnp.eye(4), camera.world_to_camera)).alpha
    np.testing.assert_allclose(same, still, **FRAME)
    moved = Torso(jnp.eye(4).at[0, 3].set(0.3), camera.world_to_camera)
    assert np.abs(player(params, camera, None, moved).alpha - still).max() > 0.5
