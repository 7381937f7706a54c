"""Mirrored parameters give the mirror image of the head."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial

from omg_jax.geometry.camera import world_to_pixels
from omg_jax.geometry.rotations import axis_angle_to_matrix
from omg_jax.head.load import load_head
from omg_jax.head.mirror import FLIP, mirrored_camera, mirrored_params, mirrored_units
from omg_jax.head.model import head_vertices, zero_params
from omg_jax.types import Camera, HeadParams
from tests.tolerances import MIRRORED_MOUTH, MIRRORED_SKIN
from tests.unit.data.dots import portrait_camera

WIDTH = 512


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


def random_params(head, seed: int) -> HeadParams:
    rng, zero = np.random.default_rng(seed), zero_params(head.model)
    spread = dict(shape_params=0.5, global_rotation=0.2, neck_pose=0.3, jaw_pose=0.1, eye_pose=0.3, translation=0.1)
    drawn = {name: rng.normal(0, sigma, getattr(zero, name).shape) for name, sigma in spread.items()}
    drawn["expression_params"] = rng.uniform(0, 1, zero.expression_params.shape) * (rng.random(52) < 0.2)
    return HeadParams(**{name: value.astype(np.float32) for name, value in drawn.items()})


@pytest.mark.parametrize("seed", range(6))
def test_the_mirrored_head_is_seen_where_the_flipped_picture_shows_it(head, seed):
    params, units = random_params(head, seed), mirrored_units(head)
    turn = np.asarray(axis_angle_to_matrix(jnp.asarray(np.random.default_rng(seed).normal(0, 0.4, 3))))
    camera = portrait_camera(WIDTH, turn)

    def seen(params: HeadParams, camera: Camera) -> np.ndarray:
        return np.asarray(world_to_pixels(Camera(*map(jnp.asarray, camera)), head_vertices(head.model, params))[0])

    partner = scipy.spatial.cKDTree(head.model.template).query(np.asarray(head.model.template) * FLIP)[1]
    flipped = seen(params, camera) * [-1, 1] + [WIDTH, 0]
    mirrored = seen(mirrored_params(params, units), mirrored_camera(camera, WIDTH))[partner]
    solid = np.concatenate([head.regions[name] for name in ("skin", "left_eyeball", "right_eyeball")])
    np.testing.assert_allclose(mirrored[solid], flipped[solid], **MIRRORED_MOUTH)
    np.testing.assert_allclose(np.median(np.abs(mirrored - flipped)[solid], axis=0), 0, **MIRRORED_SKIN)


def test_units_change_sides_by_name(head):
    units = mirrored_units(head)
    place = head.expression_names.index
    assert units[place("eyeBlinkLeft")] == place("eyeBlinkRight") and units[place("jawRight")] == place("jawLeft")
    assert units[place("jawOpen")] == place("jawOpen")
    np.testing.assert_array_equal(units[units], np.arange(len(units)))


def test_a_head_that_is_not_symmetric_has_no_mirror(head):
    template = np.array(head.model.template)
    template[head.regions["skin"][100], 0] += 0.01
    assert mirrored_units(head._replace(model=head.model._replace(template=jnp.asarray(template)))) is None
    components = np.array(head.model.shape_basis)
    components[head.regions["skin"][100], 0, 3] += 0.05
    assert mirrored_units(head._replace(model=head.model._replace(shape_basis=jnp.asarray(components)))) is None
    numbered = tuple(f"expression_{i:03d}" for i in range(52))  # as FLAME's, which have no sides
    assert mirrored_units(head._replace(expression_names=numbered)) is None
    assert mirrored_units(head._replace(expression_names=("smileLeft", *numbered[1:]))) is None
