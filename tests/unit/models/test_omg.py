"""The whole network at the tiny preset's size: what it builds, how it is played, and what each compat switch does."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.avatar import most_opaque
from omg_jax.configs import load_preset
from omg_jax.geometry.camera import crop_camera, portrait_intrinsics
from omg_jax.geometry.subdivision import subdivide
from omg_jax.head.load import load_head
from omg_jax.head.model import head_vertices, zero_params
from omg_jax.models.omg import OMG, Source, build_model, mirrored_vertices, vertex_spacing
from omg_jax.models.state import merge_model, split_model
from omg_jax.types import Camera, Gaussians, PairBatch
from tests.tolerances import EXACT, FLOAT32_ROUNDING, HEAD_SYMMETRY, MIRRORED_BACK

CONFIG = load_preset("tiny").model
SIZE = CONFIG.image_size
DISTANCE = 9.2


@pytest.fixture(scope="module")
def head():
    return load_head("arkit").model


@pytest.fixture(scope="module")
def model(head):
    return build_model(CONFIG, head, seed=0)


@pytest.fixture(scope="module")
def source(head) -> Source:
    """A frontal photo of noise, with a matte that covers its lower part."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = DISTANCE
    matte = jnp.ones((1, SIZE, SIZE)).at[:, : SIZE // 8].set(0.0)
    keys = jax.random.split(jax.random.key(1), 5)
    image = jax.random.uniform(keys[0], (1, SIZE, SIZE, 3)) * matte[..., None]
    tokens = tuple(jax.random.normal(key, (1, (CONFIG.backbone_size // 14) ** 2, 384)) for key in keys[1:])
    camera = Camera(jnp.asarray(pose)[None], portrait_intrinsics((SIZE, SIZE))[None])
    return Source(image, matte, tokens, zero_params(head, (1,)), camera)


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


def test_driving_shape_is_ignored(built, model, source):
    other = source.params._replace(shape_params=source.params.shape_params + 1.0)
    ours = model.pose(built, source.params.shape_params, source.params, 0)
    theirs = model.pose(built, source.params.shape_params, other, 0)
    np.testing.assert_allclose(theirs.means, ours.means, **EXACT)


def test_every_parameter_that_a_level_uses_gets_a_gradient(model, source):
    graphdef, params, constants = split_model(model)
    params = jax.tree.map(lambda x: x + 0.01, params)  # zero-initialised layers would block what lies before them
    target = jnp.full((1, SIZE // 2, SIZE // 2, 3), 0.3)
    batch = PairBatch(*_as_pair(source, target))

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


def _as_pair(source: Source, target):
    """The photo as source and driver; the target is its lower left quarter, where head and plane meet."""
    window = target.shape[1]
    camera = crop_camera(source.camera, float(SIZE - window), 0.0)
    return (*source[:3], source.params, source.camera, target, jnp.ones(target.shape[:3]), source.params, camera)


def test_paper_moves_the_source_mesh_by_the_offsets_and_release_does_not(head, source):
    """With the release's rule the local features do not depend on the offsets."""

    def fused_change(compat: str) -> float:
        model = build_model(dataclasses.replace(CONFIG, compat=compat), head, seed=0)
        before = model.build(source, (0,)).levels[0].features
        last = model.offset_head.mlp.last
        last.bias[...] = last.bias[...] + 1.0
        return float(jnp.max(jnp.abs(model.build(source, (0,)).levels[0].features - before)))

    assert fused_change("paper") > 0
    assert fused_change("release") == 0


def test_release_has_no_mlp_between_levels(head):
    assert len(build_model(dataclasses.replace(CONFIG, compat="release"), head, seed=0).subdivide.mlps) == 0
    assert len(build_model(CONFIG, head, seed=0).subdivide.mlps) == CONFIG.num_levels


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


@pytest.mark.parametrize(
    ("compat", "refiner", "noisy"),
    [("release", None, True), ("paper", None, False), ("release", CONFIG.refiner, False)],
)
def test_only_the_releases_refiner_gets_noise(compat, refiner, noisy):
    keys = []

    def record(features, noise_key=None):
        keys.append(noise_key)
        return features

    model = types.SimpleNamespace(config=dataclasses.replace(CONFIG, compat=compat, refiner=refiner), refiner=record)
    OMG.refine(model, jnp.zeros((1, 2, 2, 3)))
    assert [key is not None for key in keys] == [noisy]
