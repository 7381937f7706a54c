"""One training step, around a network that takes milliseconds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.data.pairs import load_batch
from omg_jax.models.state import split_model
from omg_jax.training.state import init_state
from omg_jax.training.step import Frozen, make_train_step
from omg_jax.training.tokens import TokenCache
from tests.tolerances import FLOAT32_ROUNDING
from tests.unit.training.conftest import pooled_taps, with_options
from tests.unit.training.painter import Painter


@pytest.fixture
def parts(job):
    graphdef, params, constants = split_model(Painter(16, 6, rngs=nnx.Rngs(0)))
    batch = load_batch(job.index, 0, 0, 4, 64, TokenCache(pooled_taps, 16))
    return graphdef, init_state(params, job.config.train), Frozen(constants, job.perceptual), batch


def assert_close(a, b) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **FLOAT32_ROUNDING), a, b)


def test_steps_lower_the_loss(job, parts):
    graphdef, state, frozen, batch = parts
    step = jax.jit(make_train_step(graphdef, job.config, 0))
    losses = []
    for _ in range(10):
        state, metrics = step(state, batch, frozen)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.7 * losses[0]
    assert metrics.keys() >= {"l2_coarse", "ssim_refined", "perceptual_refined", "offset", "gradient_norm"}


def test_a_level_trains_its_own_parameters(job, parts):
    graphdef, state, frozen, batch = parts
    moved = []
    for lod in (0, 1):
        after, _ = jax.jit(make_train_step(graphdef, job.config, lod))(state, batch, frozen)
        moved.append(bool(jnp.any(after.params["level_colour"] != 0)))
    assert moved == [False, True]


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_is_skipped_and_counted(job, parts, poison):
    graphdef, state, frozen, batch = parts
    step = jax.jit(make_train_step(graphdef, job.config, 0))
    target = batch.target_image.copy()
    target[0, 5, 5] = poison
    after, _ = step(state, batch._replace(target_image=target), frozen)
    assert (int(after.step), int(after.skipped)) == (1, 1)
    assert all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(jnp.all(x == y)), after.params, state.params)))
    healed, metrics = step(after, batch, frozen)
    assert (int(healed.step), int(healed.skipped)) == (2, 1)
    assert np.isfinite(float(metrics["loss"]))


def test_a_step_that_computes_activations_again_is_the_same_step(job, parts):
    graphdef, state, frozen, batch = parts
    steps = [make_train_step(graphdef, with_options(job, remat=remat).config, 0) for remat in (False, True)]
    kept, again = (jax.make_jaxpr(step)(state, batch, frozen) for step in steps)
    assert "remat" not in str(kept) and "remat" in str(again)
    (after, metrics), (expected, expected_metrics) = (jax.jit(step)(state, batch, frozen) for step in reversed(steps))
    assert_close((after.params, metrics), (expected.params, expected_metrics))


def test_slices_on_a_mapped_axis_train_like_the_whole_batch(job, parts):
    graphdef, state, frozen, batch = parts
    whole, metrics = jax.jit(make_train_step(graphdef, job.config, 0))(state, batch, frozen)
    sliced = jax.tree.map(lambda x: x.reshape(2, 2, *x.shape[1:]), batch)
    mapped = jax.pmap(make_train_step(graphdef, job.config, 0, axis_name="data"), "data", in_axes=(None, 0, None))
    after, mapped_metrics = mapped(state, sliced, frozen)
    for device in range(2):
        assert_close(jax.tree.map(lambda x, i=device: x[i], (after.params, mapped_metrics)), (whole.params, metrics))
