"""The state of a training run, and how one gradient changes it: Adam with linear decay, and a mean of the weights."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from omg_jax.config import TrainConfig

Params = Any  # a nested dict of float32 arrays


class TrainState(NamedTuple):
    """Everything that training changes.

    step counts batches, also skipped ones; skipped counts batches whose loss or gradient was not finite. average is the
    running mean of params: the weights that are looked at and exported.
    """

    step: Int[Array, ""]
    skipped: Int[Array, ""]
    params: Params
    average: Params
    optimizer: optax.OptState


def init_state(params: Params, config: TrainConfig) -> TrainState:
    """The state before the first step. The arrays are copies: a train step may donate them."""
    params = jax.tree.map(lambda leaf: jnp.array(leaf, jnp.float32), params)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        params=params,
        average=jax.tree.map(jnp.copy, params),
        optimizer=_optimizer(config).init(params),
    )


def apply_gradients(state: TrainState, gradients: Params, healthy: Array, config: TrainConfig) -> TrainState:
    """The state after one batch. Where ``healthy`` is false only the counters move.

    The learning rate is a function of ``state.step``, so a skipped batch does not delay its decay. A parameter that a
    level of detail does not use has a zero gradient: its Adam moments decay and it comes to rest.
    """
    directions, optimizer = _optimizer(config).update(gradients, state.optimizer, state.params)
    rate = learning_rate(config, state.step)
    decay = average_decay(config, state.step)
    params = jax.tree.map(lambda leaf, direction: leaf - rate * direction, state.params, directions)
    average = jax.tree.map(lambda mean, leaf: decay * mean + (1.0 - decay) * leaf, state.average, params)
    old = (state.params, state.average, state.optimizer)
    kept = jax.tree.map(lambda new, before: jnp.where(healthy, new, before), (params, average, optimizer), old)
    return TrainState(state.step + 1, state.skipped + (~healthy).astype(jnp.int32), *kept)


def learning_rate(config: TrainConfig, step: Int[Array, ""]) -> Float[Array, ""]:
    """Linear from ``learning_rate`` to ``final_learning_rate_factor`` times it at the last step, after the warm-up."""
    end = config.learning_rate * config.final_learning_rate_factor
    warmup = jnp.minimum(1.0, (step + 1.0) / max(config.warmup_steps, 1))
    return warmup * optax.linear_schedule(config.learning_rate, end, config.num_steps)(step)


def average_decay(config: TrainConfig, step: Int[Array, ""]) -> Float[Array, ""]:
    """Decay of the running mean: short at first, so that the mean soon forgets the initial weights."""
    return jnp.minimum(config.ema_decay, (1.0 + step) / (10.0 + step))


def _optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Gradient to direction, without the learning rate."""
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm), optax.scale_by_adam(config.adam_b1, config.adam_b2)
    )
