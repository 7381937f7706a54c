"""Synthetic clips. What needs MakeHuman's assets runs where OMG_MAKEHUMAN names their folder."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.agreement import head_agreement
from omg_jax.data.portraits.clip import film, load_portrait_assets, pose_vertices, render_clip, sample_subject
from omg_jax.data.portraits.motion import sample_motion
from omg_jax.data.portraits.plain import plain_clip
from omg_jax.data.portraits.scene import Part, build_scene
from omg_jax.geometry.camera import world_to_pixels
from omg_jax.head.load import load_head
from omg_jax.head.model import head_vertices, zero_params
from omg_jax.types import Camera, HeadParams
from tests.tolerances import FLOAT16_OFFSETS, HEAD_OVERLAP, INSIDE_PORTRAIT, SKINNING

SIZE = 96
needs_assets = pytest.mark.skipif("OMG_MAKEHUMAN" not in os.environ, reason="OMG_MAKEHUMAN names no asset folder")


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture(scope="module")
def assets(head):
    return load_portrait_assets(Makehuman(os.environ["OMG_MAKEHUMAN"]), head)


def covered_share(clip, head, region) -> float:
    """Share of a region's vertices that project into the clip's mattes."""
    params = HeadParams(*(jnp.asarray(x) for x in clip.head_params))
    vertices = head_vertices(head.model, params)[:, head.regions[region]]
    pixels, _ = world_to_pixels(Camera(*(jnp.asarray(x) for x in clip.camera)), vertices)
    columns, rows = np.clip(np.asarray(pixels).astype(int), 0, clip.mattes.shape[1] - 1).transpose(2, 0, 1)
    return float((clip.mattes[np.arange(len(rows))[:, None], rows, columns] > 0).mean())


def test_plain_clip_shows_the_head_where_its_parameters_say(head):
    clip = plain_clip(head, seed=0, num_frames=2, size=SIZE)
    assert clip.images.shape == (2, SIZE, SIZE, 3) and clip.images.dtype == np.uint8
    assert covered_share(clip, head, "lips") == 1.0
    # The head fills the picture as a portrait does: more than a fifth, with room around it.
    assert 0.2 < (clip.mattes > 0).mean() < 0.8
    assert (clip.images[clip.mattes == 0] == 0).all()


def test_the_torso_of_a_clip_turns_with_its_head(head):
    clip = plain_clip(head, seed=0, num_frames=3, size=SIZE)
    np.testing.assert_allclose(clip.torso.motion @ clip.torso.reference, clip.camera.world_to_camera, **SKINNING)


def test_plain_clip_is_a_function_of_its_seed(head):
    first, again, other = (plain_clip(head, seed, 1, SIZE) for seed in (3, 3, 4))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first.head_params.shape_params, other.head_params.shape_params)


@needs_assets
@pytest.mark.parametrize("seed", range(3))
def test_rendered_skin_is_the_heads_skin(assets, head, seed):
    rng = np.random.default_rng(seed)
    shape = rng.normal(0.0, 0.7, len(head.shape_names)).astype(np.float32)
    identity = assets.basis.identity(shape)
    skin = Part("skin", np.full((4, 4, 4), 255, np.uint8), assets.wardrobe.makehuman.base, None)
    scene = build_scene((skin,), (), identity, assets.basis.scale)
    motion = sample_motion(rng, head.expression_names)
    expression = np.array([motion.units.get(name, 0.0) for name in head.expression_names], np.float32)
    rendered = pose_vertices(assets, scene, identity, shape, expression, motion.eye_pose)
    params = zero_params(head.model)._replace(
        shape_params=jnp.asarray(shape),
        expression_params=jnp.asarray(expression),
        eye_pose=jnp.asarray(motion.eye_pose),
    )
    expected = np.asarray(head_vertices(head.model, params))
    rows, weights = assets.basis.skin_rows, assets.basis.skin_weights
    placed = np.einsum("kj,kjc->kc", weights, rendered[rows])
    np.testing.assert_allclose(placed, expected[assets.basis.head_rows], **FLOAT16_OFFSETS)


@needs_assets
def test_clip_shows_the_head_where_its_parameters_say(assets, head):
    clip = render_clip(assets, seed=1, num_frames=2, size=SIZE)
    for region in ("lips", "left_eyeball", "right_eyeball"):
        assert covered_share(clip, head, region) == 1.0
    assert len(np.unique(clip.head_params.shape_params, axis=0)) == 1
    assert not np.array_equal(clip.images[0], clip.images[1])
    assert (clip.images.max(axis=3) <= clip.mattes).all()


@needs_assets
def test_clip_is_a_function_of_its_seed(assets):
    first, again = (render_clip(assets, 5, 1, SIZE) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, again)


@needs_assets
@pytest.mark.parametrize("seed", range(4))
def test_the_matte_shows_the_head_that_the_parameters_make(assets, seed):
    rng = np.random.default_rng(seed)
    subject = sample_subject(rng, assets)
    agreement = head_agreement(assets, subject, film(rng, assets, subject, num_frames=2, size=512))
    assert (agreement.overlap > HEAD_OVERLAP).all()
    assert (agreement.inside_matte > INSIDE_PORTRAIT).all()
