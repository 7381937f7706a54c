"""The colour skip: what the photo shows of a vertex counts first, then what it shows of the mirror image."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.config import GaussianConfig
from omg_jax.models.embedding import EMBEDDING_SIZE
from omg_jax.models.gaussian_heads import GaussianHeads
from tests.tolerances import FLOAT32_ROUNDING

OWN, MIRRORED = (0.9, 0.1, 0.2), (0.3, 0.4, 0.5)
SEEN, UNSEEN = (1.0, 1.0, 0.5), (0.0, 0.0, 0.5)  # matte, visibility, cosine


def view(colour: tuple, state: tuple) -> list[float]:
    """What the photo shows of a point: nothing where its matte is zero."""
    return [channel * state[0] for channel in colour] + list(state)


def colours(skip: list[float], gate_logits: tuple[float, float]) -> np.ndarray:
    """The colour of one vertex under heads whose own prediction is grey and whose gates are fixed."""
    config = GaussianConfig(num_channels=3, hidden=4, opaque_start=True, colour_skip=True)
    heads = GaussianHeads(8, [jnp.full(1, 0.02)], config, vertex_axis_quats=False, rngs=nnx.Rngs(0))
    for last in heads.segments[0].last:
        last.kernel[...] = jnp.zeros_like(last.kernel[...])
    heads.segments[0].last[4].bias[...] = jnp.array(gate_logits)
    made = heads(jnp.ones((1, 1, 8)), jnp.ones((1, EMBEDDING_SIZE)), jnp.array(skip)[None, None], 0)
    return np.asarray(made.features[0, 0])


@pytest.mark.parametrize(
    ("own", "mirrored", "expected"),
    [(SEEN, SEEN, OWN), (SEEN, UNSEEN, OWN), (UNSEEN, SEEN, MIRRORED), (UNSEEN, UNSEEN, (0.5, 0.5, 0.5))],
)
def test_open_gates_take_the_first_that_the_photo_shows(own, mirrored, expected):
    open_gates = (30.0, 30.0)
    made = colours(view(OWN, own) + view(MIRRORED, mirrored), open_gates)
    np.testing.assert_allclose(made, expected, **FLOAT32_ROUNDING)


def test_each_gate_closes_its_own_colour():
    skip = view(OWN, SEEN) + view(MIRRORED, SEEN)
    np.testing.assert_allclose(colours(skip, (-30.0, 30.0)), MIRRORED, **FLOAT32_ROUNDING)
    np.testing.assert_allclose(colours(skip, (-30.0, -30.0)), (0.5, 0.5, 0.5), **FLOAT32_ROUNDING)
