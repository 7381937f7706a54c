"""The rows in which paper and release differ: each, switched alone, changes what it names and nothing else."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from omg_jax.config import Differences, ModelConfig, UNetConfig
from omg_jax.geometry.rotations import quat_to_matrix
from omg_jax.models.gaussian_heads import release_quaternions
from omg_jax.models.omg import OMG, build_model
from omg_jax.models.sampling import release_visibility
from omg_jax.models.shoulder import release_shoulder_mask
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.types import Camera
from tests.compile_fast import COMPILE_FAST
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.models.conftest import TINY

ATTRIBUTES = ("quats", "scales", "opacities", "features")
ROWS = [field.name for field in dataclasses.fields(Differences)]


def head_arrays(*levels: int) -> set[str]:
    return {f"level{k}.{name}" for k in levels for name in ATTRIBUTES}


# What each row changes of a reconstruction. Of refiner_noise see below.
CHANGED = {
    "no_level_mlp": head_arrays(1, 2),
    "normalised_depths": head_arrays(0, 1, 2),
    "near_half_mask": {"plane.opacities"},
    "vertex_axis_quats": {f"level{k}.quats" for k in range(3)},
    "column_sigmoid": {"plane.features"},
    "target_offsets_only": head_arrays(0, 1, 2) | {"plane.opacities"},
    "half_pixel_shift": head_arrays(0, 1, 2) | {"plane.means"},
    "refiner_noise": set(),
}


@dataclasses.dataclass(frozen=True)
class OneRow(ModelConfig):
    """Options that follow the paper in all rows but one (none where it is empty)."""

    row: str = ""

    @property
    def differences(self) -> Differences:
        return Differences(**{self.row: True} if self.row else {})


def one_row(row: str) -> OneRow:
    """The tiny preset with the paper's heads, and without what else is not the paper's."""
    options = {field.name: getattr(TINY, field.name) for field in dataclasses.fields(TINY)}
    options["gaussians"] = dataclasses.replace(TINY.gaussians, opaque_start=False, colour_skip=False)
    options["refiner"] = dataclasses.replace(TINY.refiner, look_up=False)
    return OneRow(**options, row=row)


@pytest.fixture(scope="module")
def params(head) -> dict:
    """Made-up parameters, none zero: at their start the MLPs between the levels are the identity."""
    _, shapes, _ = split_shapes(lambda: build_model(one_row(""), head, seed=0))
    rng = np.random.default_rng(2)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(0.0, 0.2, x.shape), jnp.float32), shapes)


@pytest.fixture(scope="module")
def reconstruct(head, params, source):
    """A function from a row to (its reconstruction of all levels, whom the photo shows at each level)."""

    @functools.cache
    def made(row: str, offsets: bool = True):
        graphdef, _, constants = split_shapes(lambda: build_model(one_row(row), head, seed=0))
        own = params
        if row == "no_level_mlp":
            own = {name: part for name, part in params.items() if name != "subdivide"}
        if not offsets:
            own = params | {"offset_head": jax.tree.map(jnp.zeros_like, params["offset_head"])}

        def run(params):
            model, shown = merge_model(graphdef, params, constants), []
            look = model.visible_vertices
            model.visible_vertices = lambda *arguments: shown.append(look(*arguments)) or shown[-1]
            return model.build(source, (0, 1, 2)), shown

        return jax.jit(run, compiler_options=COMPILE_FAST)(own)

    return made


def named(made) -> dict[str, np.ndarray]:
    """Every array of a reconstruction by name."""
    groups = {f"level{k}": level for k, level in made.levels.items()} | {"plane": made.plane}
    arrays = {f"{group}.{name}": x for group, part in groups.items() for name, x in part._asdict().items()}
    return {name: np.asarray(x[0]) for name, x in (arrays | {"vertex_offsets": made.vertex_offsets}).items()}


def differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays differ by more than rounding, which is relative to the terms of a sum rather than to the sum."""
    return ~np.isclose(a, b, rtol=0, atol=FLOAT32_ROUNDING["rtol"] * np.abs(b).max(initial=1.0))


def test_the_table_is_complete():
    assert set(CHANGED) == set(ROWS)
    assert dataclasses.astuple(ModelConfig(compat="paper").differences) == (False,) * len(ROWS)
    assert dataclasses.astuple(ModelConfig(compat="release").differences) == (True,) * len(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_changes_what_it_names_alone(row, reconstruct):
    before, after = named(reconstruct("")[0]), named(reconstruct(row)[0])
    assert {name for name in before if differing(before[name], after[name]).any()} == CHANGED[row]


def test_half_a_pixel_moves_the_features_of_visible_vertices_alone(reconstruct):
    paper, (made, _) = reconstruct(""), reconstruct("half_pixel_shift")
    for k in range(3):
        moved = differing(made.levels[k].features[0], paper[0].levels[k].features[0]).any(axis=-1)
        np.testing.assert_array_equal(moved, paper[1][k][0])


def test_another_visibility_changes_the_vertices_it_sees_otherwise_alone(reconstruct):
    paper, (made, visible) = reconstruct(""), reconstruct("normalised_depths")
    for k in range(3):
        moved = differing(made.levels[k].features[0], paper[0].levels[k].features[0]).any(axis=-1)
        np.testing.assert_array_equal(moved, np.asarray(visible[k] != paper[1][k])[0])


def test_offsets_on_the_target_alone_are_no_offsets_on_the_source(reconstruct):
    """The source side is what it is without offsets; the avatar keeps them."""
    before, after = named(reconstruct("", offsets=False)[0]), named(reconstruct("target_offsets_only")[0])
    assert {name for name in before if differing(before[name], after[name]).any()} == {"vertex_offsets"}


def test_the_plane_s_sigmoid_reaches_channels_or_columns(reconstruct):
    paper, (made, _) = reconstruct(""), reconstruct("column_sigmoid")
    size = round(made.plane.opacities.shape[1] ** 0.5)
    ours, theirs = (np.asarray(x.plane.features[0]).reshape(size, size, -1) for x in (paper[0], made))
    moved = differing(ours, theirs)
    assert moved[:, 3:, :3].all() and moved[:, :3, 3:].all()
    assert not moved[:, 3:, 3:].any() and not moved[:, :3, :3].any()


@pytest.mark.parametrize(
    ("row", "refiner", "noisy"),
    [("refiner_noise", None, True), ("", None, False), ("refiner_noise", UNetConfig(), False)],
)
def test_only_the_releases_refiner_gets_noise(row, refiner, noisy):
    keys = []

    def record(features, noise_key=None):
        keys.append(noise_key)
        return features

    model = types.SimpleNamespace(config=OneRow(refiner=refiner, row=row), refiner=record)
    OMG.refine(model, jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 0, 0, 3)))
    assert [key is not None for key in keys] == [noisy]


def test_release_quaternions_are_the_rotations_nearest_to_the_release_s_matrices():
    """Of a few vertices, so that the quaternions are far from unit length and from the identity."""
    raw = jax.random.normal(jax.random.key(3), (1, 6, 4))
    short = np.asarray(raw / jnp.linalg.norm(raw, axis=1, keepdims=True), np.float64)
    for ours, quat in zip(release_quaternions(raw)[0], short[0], strict=True):
        nearest, _ = scipy.linalg.polar(np.asarray(quat_to_matrix(jnp.asarray(quat)), np.float64))
        np.testing.assert_allclose(quat_to_matrix(ours), nearest, **FLOAT32_ROUNDING)


def test_release_mask_is_all_but_the_near_half_of_the_head():
    depth = jnp.array([[[jnp.inf, 9.0], [9.4, 10.0]]])
    np.testing.assert_array_equal(release_shoulder_mask(depth), [[[1.0, 0.0], [0.0, 1.0]]])


def test_release_visibility_compares_ndc_depth_with_linear_depth():
    """A slope from depth 9 to depth 11: normalised NDC depth lies above normalised depth, so its middle is hidden."""
    camera = Camera(jnp.eye(4)[None], jnp.array([[[64.0, 0, 32.0], [0, 64.0, 32.0], [0, 0, 1.0]]]))
    slope = jnp.array([[[-4.0, -4, 9], [4, -4, 9], [4, 4, 11], [-4, 4, 11]]])
    faces = jnp.array([[0, 1, 2], [0, 2, 3]])
    added = jnp.array([[[0.0, 0.0, 10.0], [0.0, 0.0, 9.8], [0.0, 0.0, 10.2], [9.0, 0.0, 9.5]]])
    visible = release_visibility(jnp.concatenate([slope, added], axis=1), slope, faces, camera, (64, 64))
    np.testing.assert_array_equal(visible[0, 4:], [False, True, False, False])
