"""The whole network at the tiny preset's size: what it builds, and how it is played."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial

from omg_jax.avatar import most_opaque
from omg_jax.configs import load_preset
from omg_jax.geometry.camera import circle_camera, world_to_pixels
from omg_jax.geometry.normals import vertex_normals
from omg_jax.geometry.subdivision import subdivide
from omg_jax.head.model import head_vertices
from omg_jax.models.omg import (
    LARGEST_PLACED,
    PERSON,
    build_model,
    mirrored_vertices,
    nearest_shown,
    photo_at_vertices,
    vertex_spacing,
)
from omg_jax.models.state import merge_model, split_model
from omg_jax.types import Gaussians
from tests.tolerances import EXACT, FLOAT32_ROUNDING, HEAD_SYMMETRY, MIRRORED_BACK, NEAREST
from tests.unit.models.conftest import as_pair

CONFIG = load_preset("tiny").model
SIZE = CONFIG.image_size


@pytest.fixture(scope="module")
def model(head):
    return build_model(CONFIG, head, seed=0)


@pytest.fixture(scope="module")
def built(model, source):
    """All three levels at once."""
    graphdef, params, constants = split_model(model)
    return jax.jit(lambda p, s: merge_model(graphdef, p, constants).build(s, (0, 1, 2)))(params, source)


def test_levels_have_one_gaussian_per_vertex(built, model):
    counts = model.subdivide.subdivision.num_vertices
    assert [built.levels[k].opacities.shape[1] for k in range(3)] == list(counts)
    assert built.plane.opacities.shape == (1, model.plane_size**2)


def test_attributes_are_within_their_ranges(built):
    for part in (*built.levels.values(), built.plane):
        np.testing.assert_allclose(np.linalg.norm(part.quats, axis=-1), 1.0, **FLOAT32_ROUNDING)
        assert float(part.scales.min()) > 0 and float(part.scales.max()) <= CONFIG.gaussians.max_scale
        assert float(part.opacities.min()) >= 0 and float(part.opacities.max()) <= 1
        assert float(part.features[..., :3].min()) >= 0 and float(part.features[..., :3].max()) <= 1


def test_plane_gaussians_stand_on_the_matte_outside_the_head(built, model, source):
    present = np.asarray(built.plane.opacities[0]).reshape(model.plane_size, model.plane_size) > 0
    assert not present[: model.plane_size // 8 - 1].any(), "above the matte"
    assert not present[model.plane_size // 2, model.plane_size // 2], "on the face"
    assert present[-1, 0], "the matte's corner"


def test_a_margin_adds_gaussians_outside_of_the_photo_and_leaves_the_others(built, head, source):
    config = dataclasses.replace(CONFIG, plane=dataclasses.replace(CONFIG.plane, margin=0.1))
    wider = build_model(config, head, seed=0)
    graphdef, params, constants = split_model(wider)
    plane = jax.jit(lambda p, s: merge_model(graphdef, p, constants).build(s, (0,)).plane)(params, source)
    size = wider.plane_size
    margin = round(0.1 * size)
    opacities = np.asarray(plane.opacities[0]).reshape(size + margin, size + 2 * margin)
    assert (opacities[-1] > 0).all(), "the matte fills the bottom row"
    # The convolutions see the margin: its neighbours' attributes change a little, their presence does not.
    present = np.asarray(built.plane.opacities[0]).reshape(size, size) > 0
    np.testing.assert_array_equal(opacities[:size, margin:-margin] > 0, present)
    for beside, edge in ((opacities[:size, :margin], present[:, :1]), (opacities[:size, -margin:], present[:, -1:])):
        np.testing.assert_array_equal(beside > 0, np.broadcast_to(edge, beside.shape))


def test_a_neck_that_leaves_the_photo_ends_below_it(model, head, source):
    """The plane's margin is free where the head does not reach, also below a head that covers the photo's last row."""
    config = dataclasses.replace(CONFIG, plane=dataclasses.replace(CONFIG.plane, margin=0.5))
    low = source.camera.world_to_camera.at[:, 1, 3].add(0.45)
    wide = build_model(config, head, seed=0)
    lowered = source._replace(camera=source.camera._replace(world_to_camera=low), matte=jnp.ones_like(source.matte))
    mask = np.asarray(wide.plane_mask(lowered, head_vertices(head, lowered.params))[0])
    column = mask[wide.plane_size - 1 :, mask.shape[1] // 2]
    assert column[0] == 0.0 and column[-1] == 1.0


def test_a_carved_head_is_transparent_where_the_photo_shows_background(head, source):
    """On its near side and on its far side."""
    options = (dataclasses.replace(CONFIG.gaussians, carve=carve) for carve in (False, True))
    whole, carved = (build_model(dataclasses.replace(CONFIG, gaussians=each), head, seed=0) for each in options)
    source = source._replace(matte=source.matte.at[:, :, : SIZE // 2].set(0.0).at[:, :, SIZE // 2 :].set(1.0))
    kept, left = (np.asarray(build_level_0(model, source).opacities[0]) for model in (whole, carved))
    x = np.asarray(world_to_pixels(source.camera, head_vertices(head, source.params))[0])[0, :, 0]
    assert not left[x < SIZE // 2 - 1].any()
    np.testing.assert_array_equal(left[x > SIZE // 2 + 1], kept[x > SIZE // 2 + 1])


def test_gaussians_that_are_too_large_tell_no_place(head, source):
    model = build_model(CONFIG, head, seed=0)
    model.gaussian_heads.level_scale[...] = model.gaussian_heads.level_scale[...].at[0].set(0.5)
    level = build_level_0(model, source)
    shown, largest = np.asarray(level.features[0, :, -1]) > 0, np.asarray(level.scales[0]).max(axis=-1)
    assert 0 < np.count_nonzero(shown) < np.count_nonzero(largest <= LARGEST_PLACED)
    assert (largest > LARGEST_PLACED).any() and not shown[largest > LARGEST_PLACED].any()


def build_level_0(model, source):
    """The head's Gaussians."""
    graphdef, params, constants = split_model(model)
    return jax.jit(lambda p, s: merge_model(graphdef, p, constants).build(s, (0,)).levels[0])(params, source)


def test_what_no_photo_shows_has_the_colour_of_what_is_nearest(head):
    rng = np.random.default_rng(0)
    template, shown = np.asarray(head.template), rng.random(len(head.template)) < 0.1
    found = np.asarray(nearest_shown(head.template, jnp.asarray(shown)))
    assert shown[found].all()
    _, expected = scipy.spatial.cKDTree(template[shown]).query(template)
    expected = np.flatnonzero(shown)[expected]
    way, least = (np.linalg.norm(template - template[index], axis=-1) for index in (found, expected))
    np.testing.assert_allclose(way, least, **NEAREST)
    assert not np.any(nearest_shown(head.template, jnp.zeros(len(template), bool)))


def test_the_back_of_a_head_stands_in_for_what_is_seen_beside_it(head, source):
    config = dataclasses.replace(CONFIG, gaussians=dataclasses.replace(CONFIG.gaussians, colour_skip=True))
    model = build_model(config, head, seed=0)
    posed = head_vertices(head, source.params)
    normals = vertex_normals(posed, head.faces)
    nearby = np.asarray(model.seen_nearby(source, posed, normals)[0])
    visibility = model.visible_vertices(posed, posed, 0, source.camera)
    own = np.asarray(photo_at_vertices(source, posed, normals, visibility)[0])
    seen = own[:, 3] >= PERSON
    assert 0.1 < seen.mean() < 0.9
    np.testing.assert_array_equal(nearby[seen], own[seen])
    assert (nearby[:, 3] >= PERSON).all()


def test_a_frame_moves_only_positions(built, model, source, head):
    moved = source.params._replace(neck_pose=jnp.array([[0.0, 0.3, 0.0]]))
    still = model.pose(built, source.params.shape_params, source.params, 1)
    turned = model.pose(built, source.params.shape_params, moved, 1)
    for name in ("quats", "scales", "opacities", "features"):
        np.testing.assert_allclose(getattr(turned, name), getattr(still, name), **EXACT)
    plane = built.plane.opacities.shape[1]
    np.testing.assert_allclose(turned.means[:, :plane], still.means[:, :plane], **EXACT)
    vertices = head_vertices(head, moved, built.vertex_offsets)
    expected = subdivide(model.subdivide.subdivision.level_tables[0], vertices)
    np.testing.assert_allclose(turned.means[:, plane:], expected, **FLOAT32_ROUNDING)


def test_what_the_source_shows_is_white_from_its_side_and_grey_from_behind(model, source):
    def mean_of_head(camera):
        batch = as_pair(source, source.image)._replace(target_camera=camera)
        seen = np.asarray(jax.jit(lambda: model.seen_by_source(batch, 1))())
        assert seen.shape == source.matte.shape and seen.min() == 0.0 and seen.max() <= 1.0
        return seen[seen > 0].mean()

    behind = circle_camera(source.camera, np.array([np.pi]), np.zeros(1))
    assert mean_of_head(source.camera) > 0.95 > 0.6 > mean_of_head(behind) >= 0.5


def test_a_backward_pass_may_compute_the_refiner_again(model, source):
    batch = as_pair(source, source.image[:, :64, :64])
    graphdef, params, constants = split_model(model)

    def program(remat):
        return str(
            jax.make_jaxpr(lambda p: merge_model(graphdef, p, constants).forward_pair(batch, 0, remat=remat))(params)
        )

    assert program(True).count("remat") == program(False).count("remat") + 1


def test_driving_shape_is_ignored(built, model, source):
    other = source.params._replace(shape_params=source.params.shape_params + 1.0)
    ours = model.pose(built, source.params.shape_params, source.params, 0)
    theirs = model.pose(built, source.params.shape_params, other, 0)
    np.testing.assert_allclose(theirs.means, ours.means, **EXACT)


def test_every_parameter_that_a_level_uses_gets_a_gradient(model, source):
    graphdef, params, constants = split_model(model)
    params = jax.tree.map(lambda x: x + 0.01, params)  # zero-initialised layers would block what lies before them
    target = jnp.full((1, SIZE // 2, SIZE // 2, 3), 0.3)
    batch = as_pair(source, target)

    def loss(p):
        output = merge_model(graphdef, p, constants).forward_pair(batch, 1)
        difference = output.refined - target
        return jnp.mean(difference**2) + jnp.mean(output.coarse**2)

    gradients = jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(params))
    still = {jax.tree_util.keystr(path) for path, leaf in gradients if not jnp.any(leaf)}
    # Level 1 uses neither the MLP before level 2 nor that level's heads; softmax ignores the keys' bias up to rounding.
    idle = ("['subdivide']['mlps'][1]", "['gaussian_heads']['segments'][2]", "['key']['bias']")
    assert not {name for name in still if not any(part in name for part in idle)}
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for _, leaf in gradients)


def test_most_opaque_keeps_order_and_pads():
    opacities = jnp.array([[0.1, 0.9, 0.0, 0.5]])
    rows = jnp.arange(4.0)[None, :, None]
    gaussians = Gaussians(*[jnp.tile(rows, (1, 1, k)) for k in (3, 4, 3)], opacities, rows)
    kept = most_opaque(gaussians, 2)
    np.testing.assert_allclose(kept.features[0, :, 0], [1.0, 3.0], **EXACT)
    padded = most_opaque(gaussians, 6)
    np.testing.assert_allclose(padded.opacities[0], [0.1, 0.9, 0.0, 0.5, 0.0, 0.0], **FLOAT32_ROUNDING)


def test_vertex_spacing_is_the_mean_edge_length():
    template = np.array([[0, 0, 0], [3, 0, 0], [0, 4, 0]], np.float32)
    np.testing.assert_allclose(vertex_spacing(template, np.array([[0, 1, 2]])), [3.5, 4.0, 4.5], **FLOAT32_ROUNDING)


def test_mirrored_vertices_lie_on_the_other_side(head):
    template = np.asarray(head.template)
    mirrored = mirrored_vertices(template)
    np.testing.assert_allclose(template[mirrored], template * [-1.0, 1.0, 1.0], **HEAD_SYMMETRY)
    assert np.mean(mirrored[mirrored] == np.arange(len(template))) > MIRRORED_BACK
