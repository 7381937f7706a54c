"""How a gradient changes the state."""

import jax
import jax.numpy as jnp
import numpy as np

from omg_jax.config import TrainConfig
from omg_jax.training.state import apply_gradients, init_state, learning_rate
from tests.tolerances import EXACT, FLOAT32_ROUNDING

CONFIG = TrainConfig(num_steps=1000, learning_rate=1e-3, adam_b1=0.9, warmup_steps=10, max_gradient_norm=1.0)
PARAMS = {"a": np.array([1.0, -2.0, 3.0], np.float32), "b": {"c": np.full((2, 2), 0.5, np.float32)}}
GRADIENTS = jax.tree.map(lambda leaf: jnp.asarray(0.1 * leaf), PARAMS)


def leaves_equal(a, b) -> bool:
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(jnp.all(x == y)), a, b)))


def test_adam_follows_its_formula_over_three_steps():
    state = init_state(PARAMS, CONFIG)
    params = np.float64(PARAMS["a"])
    first, second = np.zeros(3), np.zeros(3)
    for step in range(3):
        state = apply_gradients(state, GRADIENTS, jnp.array(True), CONFIG)
        gradient = 0.1 * np.float64(PARAMS["a"])
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        corrected = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.99 ** (step + 1))) + 1e-8)
        params -= float(learning_rate(CONFIG, jnp.array(step))) * corrected
    np.testing.assert_allclose(state.params["a"], params, **FLOAT32_ROUNDING)
    assert (int(state.step), int(state.skipped)) == (3, 0)


def test_the_rate_warms_up_and_decays_linearly():
    rates = np.array([float(learning_rate(CONFIG, jnp.array(step))) for step in (0, 4, 500, 1000)])
    np.testing.assert_allclose(rates, 1e-3 * np.array([0.1, 0.5 * (1 - 0.9 * 4e-3), 0.55, 0.1]), **FLOAT32_ROUNDING)


def test_a_large_gradient_is_clipped_by_its_global_norm():
    huge = jax.tree.map(lambda leaf: 1e4 * leaf, GRADIENTS)
    state = apply_gradients(init_state(PARAMS, CONFIG), huge, jnp.array(True), CONFIG)
    first_moment = state.optimizer[1].mu
    norm = float(jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(first_moment))))
    np.testing.assert_allclose(norm, 0.1 * CONFIG.max_gradient_norm, **FLOAT32_ROUNDING)


def test_an_unhealthy_batch_moves_only_the_counters():
    state = apply_gradients(init_state(PARAMS, CONFIG), GRADIENTS, jnp.array(True), CONFIG)
    broken = jax.tree.map(lambda leaf: leaf.at[0].set(jnp.nan), GRADIENTS)
    after = apply_gradients(state, broken, jnp.array(False), CONFIG)
    assert leaves_equal((after.params, after.average, after.optimizer), (state.params, state.average, state.optimizer))
    assert (int(after.step), int(after.skipped)) == (2, 1)


def test_the_mean_follows_the_weights_and_lags_behind():
    state, path = init_state(PARAMS, CONFIG), [PARAMS["a"]]
    mean = np.float64(PARAMS["a"])
    for step in range(50):
        state = apply_gradients(state, GRADIENTS, jnp.array(True), CONFIG)
        path.append(np.asarray(state.params["a"]))
        decay = min(CONFIG.ema_decay, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * path[-1]
    np.testing.assert_allclose(state.average["a"], mean, **FLOAT32_ROUNDING)
    assert np.all(np.abs(state.average["a"] - path[0]) < np.abs(path[-1] - path[0]))


def test_a_parameter_without_gradient_stays():
    gradients = {"a": GRADIENTS["a"], "b": {"c": jnp.zeros((2, 2))}}
    state = apply_gradients(init_state(PARAMS, CONFIG), gradients, jnp.array(True), CONFIG)
    np.testing.assert_allclose(state.params["b"]["c"], PARAMS["b"]["c"], **EXACT)
