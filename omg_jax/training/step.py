"""One training step: build an avatar from the source, play the target's motion, compare, and follow the gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float

from omg_jax.config import Config
from omg_jax.losses.perceptual import PerceptualParams
from omg_jax.losses.total import total_loss
from omg_jax.models.state import merge_model
from omg_jax.training.state import Params, TrainState, apply_gradients, learning_rate
from omg_jax.types import PairBatch

Metrics = dict[str, Float[Array, ""]]
Tree = Any  # nested arrays


class Frozen(NamedTuple):
    """What a step reads and never changes: the model's constants and the perceptual network's weights."""

    constants: nnx.State
    perceptual: PerceptualParams


TrainStep = Callable[[TrainState, PairBatch, Frozen], tuple[TrainState, Metrics]]


def make_train_step(graphdef: nnx.GraphDef, config: Config, lod: int, *, axis_name: str | None = None) -> TrainStep:
    """The pure function (state, batch, frozen) -> (state, metrics) of one level of detail, not compiled yet.

    axis_name: the mapped axis over which gradients and metrics are averaged, when each device holds its own slice of
    the batch. A batch whose loss or gradient is not finite, on any device, changes nothing but the counters. The slice
    is worked through in ``config.train.accumulate`` equal parts.
    """

    remat = config.train.remat

    def train_step(state: TrainState, batch: PairBatch, frozen: Frozen) -> tuple[TrainState, Metrics]:
        # One key on all devices: the perceptual crop is the batch's, so training does not depend on how it is divided.
        key = jax.random.fold_in(jax.random.key(config.train.seed), state.step)

        def loss_of(params: Params, part: PairBatch) -> tuple[Float[Array, ""], Metrics]:
            output = merge_model(graphdef, params, frozen.constants).forward_pair(part, lod, remat=remat)
            return total_loss(output, part.target_image, frozen.perceptual, config.train.losses, key, remat=remat)

        value_and_gradient = jax.value_and_grad(loss_of, has_aux=True)
        ((loss, terms), gradients) = mean_over_parts(
            lambda part: value_and_gradient(state.params, part), batch, config.train.accumulate
        )
        if axis_name is not None:
            loss, terms, gradients = jax.lax.pmean((loss, terms, gradients), axis_name)
        norm = optax.tree.norm(gradients)
        healthy = jnp.isfinite(loss) & jnp.isfinite(norm)
        metrics = {
            "loss": loss,
            **terms,
            "gradient_norm": norm,
            "learning_rate": learning_rate(config.train, state.step),
        }
        return apply_gradients(state, gradients, healthy, config.train), metrics

    return train_step


def mean_over_parts(function: Callable[[PairBatch], Tree], batch: PairBatch, num_parts: int) -> Tree:
    """The mean of ``function`` over equal parts of a batch, one after another, so that memory holds one part's."""
    if num_parts == 1:
        return function(batch)
    parts = jax.tree.map(lambda leaf: leaf.reshape(num_parts, -1, *leaf.shape[1:]), batch)
    shapes = jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[0], parts))
    start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = jax.lax.scan(lambda total, part: (jax.tree.map(jnp.add, total, function(part)), None), start, parts)
    return jax.tree.map(lambda leaf: leaf / num_parts, total)
