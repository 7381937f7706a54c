"""Generated heads for tests: of FLAME's structure, with made-up bases."""

import jax.numpy as jnp
import numpy as np

from omg_jax.head.model import JOINT_PARENTS, NUM_POSE_FEATURES, HeadModel
from tests.meshes import Mesh


def made_up_head(mesh: Mesh, num_shape: int = 3, num_expression: int = 2) -> HeadModel:
    """A head around a mesh: small random bases, one joint for every vertex, no landmarks."""
    rng, count = np.random.default_rng(0), len(mesh.vertices)

    def basis(*shape: int) -> jnp.ndarray:
        return jnp.asarray(rng.normal(0.0, 1e-3, shape), jnp.float32)

    return HeadModel(
        template=jnp.asarray(mesh.vertices, jnp.float32),
        shape_basis=basis(count, 3, num_shape),
        expression_basis=basis(count, 3, num_expression),
        pose_correctives=basis(NUM_POSE_FEATURES, count, 3),
        joint_regressor=jnp.full((len(JOINT_PARENTS), count), 1.0 / count),
        skinning_weights=jnp.zeros((count, len(JOINT_PARENTS))).at[:, 1].set(1.0),
        parents=jnp.asarray(JOINT_PARENTS, jnp.int32),
        faces=jnp.asarray(mesh.faces, jnp.int32),
        landmark_faces=jnp.zeros(0, jnp.int32),
        landmark_barycentrics=jnp.zeros((0, 3)),
    )
