"""The paper preset has the published sizes, part by part, on a mesh of FLAME's size."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.configs import load_preset
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.model import HeadModel, zero_params
from omg_jax.models.dinov2 import DINOV2_BASE, NUM_TAPS
from omg_jax.models.omg import Source, build_model
from omg_jax.models.parameter_counts import backbone_count, parameter_counts
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.types import Camera
from tests.heads import made_up_head
from tests.unit.models.release_checkpoint import unused_state

PAPER = load_preset("paper").model
RELEASE = dataclasses.replace(PAPER, compat="release")

# Of the authors' release: computed from the published architecture, or read off a network made from it.
VERTICES = (5_023, 20_018, 79_936)
TRANSFORMER_LAYER = 1_053_440
PROJECTIONS = 256 * 256 + 256 + 768 * 256 + 256
OFFSET_MLP = 36_739
HEADS_OF_A_LEVEL = 187_307
PLANE_HEAD = 626_601
REFINER = 18_282_044
MILLIONS = {"backbone": 86.6, "pyramid": 30.51, "transformer": 2.370, "queries": 1.286, "refiner": 18.28}
TRAINABLE_MILLIONS = 53.67


@pytest.fixture(scope="module")
def head(flame_mesh) -> HeadModel:
    return made_up_head(flame_mesh)


@pytest.fixture(scope="module")
def counts(head) -> dict[str, int]:
    return parameter_counts(RELEASE, head)


def unused_counts(head: HeadModel) -> dict[str, int]:
    """Parameters that the release holds beside ours and never uses, by part of ours; its fixed noise is none."""
    parts = {
        "base_dino_model.dino_model.": "backbone",
        "base_dino_model.refinenet.": "pyramid",
        "gs_head_generators.": "gaussian_heads",
        "upsampler.toRGB.": "refiner",
    }
    _, params, _ = split_shapes(lambda: build_model(RELEASE, head, seed=0))
    state = unused_state(params, lambda *shape: np.broadcast_to(np.float32(0), shape))
    return {
        part: sum(array.size for name, array in state.items() if name.startswith(prefix))
        for prefix, part in parts.items()
    }


def test_what_both_have_and_what_only_the_release_holds_make_the_published_counts(head, counts):
    unused = unused_counts(head)
    whole = {name: counts[name] + unused.get(name, 0) for name in counts}
    assert whole["offset_head"] == OFFSET_MLP
    assert whole["gaussian_heads"] == 3 * HEADS_OF_A_LEVEL
    assert unused["gaussian_heads"] == 3 * OFFSET_MLP
    assert whole["plane_head"] == PLANE_HEAD
    assert whole["refiner"] == REFINER
    assert whole["transformer"] == 2 * TRANSFORMER_LAYER + PROJECTIONS
    assert whole["queries"] == VERTICES[0] * 256
    assert round(sum(whole.values()) / 1e6, 2) == TRAINABLE_MILLIONS
    whole["backbone"] = backbone_count("dinov2-base") + unused["backbone"]
    for name, millions in MILLIONS.items():
        digits = len(str(millions).split(".")[1])
        assert round(whole[name] / 1e6, digits) == millions, name


def test_the_paper_adds_one_mlp_per_level(head, counts):
    paper = parameter_counts(PAPER, head)
    assert paper.pop("subdivide") == 2 * 2 * (256 * 256 + 256)
    assert paper == counts


@pytest.mark.parametrize("config", [PAPER, RELEASE], ids=["paper", "release"])
def test_shapes_are_the_paper_s(head, config):
    """Traced, not run."""
    graphdef, shapes, constants = split_shapes(lambda: build_model(config, head, seed=0))
    tokens = tuple(jnp.zeros((1, 37 * 37, DINOV2_BASE.width)) for _ in range(NUM_TAPS))
    camera = Camera(jnp.eye(4)[None], portrait_intrinsics((512, 512))[None])
    source = Source(jnp.zeros((1, 512, 512, 3)), jnp.zeros((1, 512, 512)), tokens, zero_params(head, (1,)), camera)

    def run(params):
        model = merge_model(graphdef, params, constants)
        made = model.build(source, (0, 1, 2))
        gaussians = model.pose(made, source.params.shape_params, source.params, 2)
        maps = model.pyramid(tokens, source.image), model.transformer(tokens[-1])
        return *maps, made, model.render(gaussians, made.photo, camera, (512, 512))

    local, global_, made, (_, refined, splatted) = jax.eval_shape(run, shapes)
    assert local.shape == (1, 296, 296, 256)
    assert global_.shape == (1, VERTICES[0], 256)
    assert [made.levels[k].features.shape for k in range(3)] == [(1, count, 32) for count in VERTICES]
    assert made.plane.means.shape == (1, 296 * 296, 3)
    assert shapes["gaussian_heads"]["segments"][0]["first"]["kernel"].shape == (256 + 27, 4 * 128)
    assert splatted.features.shape == (1, 512, 512, 32) and refined.shape == (1, 512, 512, 3)
