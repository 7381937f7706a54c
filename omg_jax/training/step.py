"""One training step: build an avatar from the source, play the target's motion, compare, and follow the gradient."""

from collections.abc import Callable
from typing import NamedTuple

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
from omg_jax.types import PairBatch, PairOutput

Metrics = dict[str, Float[Array, ""]]


class Frozen(NamedTuple):
    """What a step reads and never changes: the model's constants and the perceptual network's weights."""

    constants: nnx.State
    perceptual: PerceptualParams


TrainStep = Callable[[TrainState, PairBatch, Frozen], tuple[TrainState, Metrics]]


def make_train_step(graphdef: nnx.GraphDef, config: Config, lod: int, *, axis_name: str | None = None) -> TrainStep:
    """The pure function (state, batch, frozen) -> (state, metrics) of one level of detail, not compiled yet.

    axis_name: the mapped axis over which gradients and metrics are averaged, when each device holds its own slice of
    the batch. A batch whose loss or gradient is not finite, on any device, changes nothing but the counters.
    """

    def train_step(state: TrainState, batch: PairBatch, frozen: Frozen) -> tuple[TrainState, Metrics]:
        # One key on all devices: the perceptual crop is the batch's, so training does not depend on how it is divided.
        key = jax.random.fold_in(jax.random.key(config.train.seed), state.step)

        def loss_of(params: Params) -> tuple[Float[Array, ""], Metrics]:
            output = predict(graphdef, params, frozen.constants, batch, lod)
            return total_loss(output, batch.target_image, frozen.perceptual, config.train.losses, key)

        (loss, terms), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
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


def predict(graphdef: nnx.GraphDef, params: Params, constants: nnx.State, batch: PairBatch, lod: int) -> PairOutput:
    """What the model with these params makes of a batch."""
    return merge_model(graphdef, params, constants).forward_pair(batch, lod)
