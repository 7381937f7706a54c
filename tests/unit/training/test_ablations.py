"""The ablations of the paper's Table 4: each leaves out its part, and trains."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.config import Config, UNetConfig
from omg_jax.configs import load_preset, preset_names
from omg_jax.models.omg import build_model
from omg_jax.models.state import split_shapes
from omg_jax.training.state import init_state
from omg_jax.training.step import Frozen, make_train_step
from tests.compile_fast import COMPILE_FAST
from tests.heads import made_up_head
from tests.meshes import eyeball
from tests.unit.models.conftest import as_pair, noise_photo

# What each lacks in its tree of parameters, compared with the whole network.
LACKS = {
    "ablation_no_global": {"transformer", "offset_head", "subdivide"},
    "ablation_no_local": set(),  # the plane's Gaussians still come from F_local
    "ablation_no_refiner": {"refiner"},
    "ablation_no_shoulder": {"plane_head"},
    "ablation_no_occlusion_mask": set(),
    "ablation_loop": set(),
}

# Compilation is most of a test's time: what no ablation is about is left out.
TINY = load_preset("tiny")
SMALLEST = dataclasses.replace(
    TINY,
    model=dataclasses.replace(
        TINY.model,
        num_levels=1,
        gaussians=dataclasses.replace(TINY.model.gaussians, colour_skip=False),
        refiner=UNetConfig(widths=(8,)),
    ),
)


def tiny_ablation(name: str) -> Config:
    """The tiny preset without what the ablation leaves out."""
    model = load_preset(name).model
    return dataclasses.replace(
        SMALLEST, model=dataclasses.replace(SMALLEST.model, parts=model.parts, subdivision=model.subdivision)
    )


def made_up(shapes: dict) -> dict:
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(0.0, 0.1, x.shape), jnp.float32), shapes)


def test_every_ablation_is_tested():
    assert {name for name in preset_names() if name.startswith("ablation_")} == set(LACKS)


@pytest.mark.parametrize("name", LACKS)
def test_an_ablation_changes_the_paper_in_one_option(name):
    paper, ablation = load_preset("paper"), load_preset(name)
    same = dataclasses.replace(ablation, name="paper", model=paper.model, train=paper.train)
    assert ablation.name == name and same == paper
    assert dataclasses.replace(ablation.train, output=paper.train.output) == paper.train
    options, others = (dataclasses.asdict(config.model) for config in (paper, ablation))
    parts, other_parts = options.pop("parts"), others.pop("parts")
    changed = [name for name in options if options[name] != others[name]]
    changed += [name for name in parts if parts[name] != other_parts[name]]
    assert len(changed) == 1


@pytest.mark.parametrize("name", LACKS)
def test_an_ablation_trains_one_step(job, name):
    config, head = tiny_ablation(name), made_up_head(eyeball(radius=0.6))
    lod = 1 if name == "ablation_loop" else 0  # at level 0 nothing is subdivided
    whole = split_shapes(lambda: build_model(SMALLEST.model, head, seed=0))[1]
    graphdef, shapes, constants = split_shapes(lambda: build_model(config.model, head, seed=0))
    assert set(whole) - set(shapes) == LACKS[name]
    params = made_up(shapes)
    batch = as_pair(noise_photo(head), jnp.full((1, 64, 64, 3), 0.3))
    state = init_state(params, config.train)
    step = jax.jit(make_train_step(graphdef, job.config, lod), compiler_options=COMPILE_FAST)
    after, metrics = step(state, batch, Frozen(constants, job.perceptual))
    assert np.isfinite(float(metrics["loss"])) and int(after.skipped) == 0
    still = {name for name in params if jax.tree.all(jax.tree.map(jnp.array_equal, after.params[name], params[name]))}
    assert still <= ({"subdivide"} if lod == 0 else set())
    assert (float(metrics["l2_refined"]) == float(metrics["l2_coarse"])) == (name == "ablation_no_refiner")
