"""What the built-in head's expression units mean to a head of other expressions, and whose jaw turns.

Each unit moves landmarks that both heads have; the other head's coefficients and jaw are those that move its own in
the same way, by least squares with their priors. Heads are of one scale, so that motions need no alignment.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision
from jaxtyping import Array, Float

from omg_jax.tracking.landmark_head import LandmarkHead, landmark_points

ITERATIONS = 5
MOTION_WEIGHT = 10.0  # a unit's motion is known exactly, and no frame's noise should be explained by it
# Radians: opening, and to the sides; a jaw that does what expressions could do as well should rather not.
JAW_SIGMA = (0.15, 0.03, 0.03)


def transfer_units(head: LandmarkHead, units: LandmarkHead) -> Float[Array, "u m"]:
    """Expression coefficients and then jaw angles, m = e + 3, for each of u units of another head."""
    _, ours, theirs = np.intersect1d(head.ids, units.ids, return_indices=True)
    motions = jnp.moveaxis(units.expression_basis[theirs], -1, 0)
    return _fit_motions(head, motions, jnp.asarray(ours))


@jax.jit
def _fit_motions(head: LandmarkHead, motions: Float[Array, "u l 3"], chosen: Array) -> Float[Array, "u m"]:
    size = head.expression_basis.shape[-1]
    sigmas = jnp.concatenate([jax.lax.rsqrt(head.expression_prior), jnp.array(JAW_SIGMA)])
    scale = jnp.sqrt(MOTION_WEIGHT * head.weights[chosen])[:, None] / head.sigmas[chosen, None]
    shape, straight = jnp.zeros(head.shape_basis.shape[-1]), jnp.zeros(4)
    rest = landmark_points(head, shape, jnp.zeros(size), jnp.zeros(3), straight)[chosen]

    def moved(whitened: Array) -> Array:
        x = sigmas * whitened
        return (scale * (landmark_points(head, shape, x[:size], x[size:], straight)[chosen] - rest)).ravel()

    def fit(motion: Array) -> Array:
        def step(_, x):
            jacobian, error = jax.jacfwd(moved)(x), moved(x) - (scale * motion).ravel()
            matrix = jnp.matmul(jacobian.T, jacobian, precision=Precision.HIGHEST) + jnp.eye(size + 3)
            return x - jnp.linalg.solve(matrix, jnp.matmul(jacobian.T, error, precision=Precision.HIGHEST) + x)

        return sigmas * jax.lax.fori_loop(0, ITERATIONS, step, jnp.zeros(size + 3))

    return jax.lax.map(fit, motions)
