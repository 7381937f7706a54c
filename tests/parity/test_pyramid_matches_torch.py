"""The feature pyramid against the same composed of torch's layers (float64): transposed and strided convolutions,
resizing, fusion."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from omg_jax.models.pyramid import FeaturePyramid
from omg_jax.models.state import merge_model, split_shapes
from tests.parity.pyramid_state import CHANNELS, TOKEN_CHANNELS, WIDTH, random_inputs, random_state
from tests.tolerances import PYRAMID_PARITY

REFERENCE = np.load(Path(__file__).parent / "pyramid_torch.npz")


def our_params(state: dict[str, np.ndarray], shapes: dict) -> dict:
    """torch's arrays in our tree."""
    lists = {"projections": "projection", "joins": "join", "fusions": "fusion"}
    params = {}
    for path, leaf in flatten_dict(shapes).items():
        name = ".".join(lists.get(key, str(key)) for key in path)
        if path[-1] == "bias":
            array = state[name]
        else:
            weight = state[name.removesuffix("kernel") + "weight"]
            # torch has (in, out, h, w) for transposed convolutions, which are ours as (in, h, w, out).
            array = weight.transpose((0, 2, 3, 1) if path[0] in ("enlarge4", "enlarge2") else (2, 3, 1, 0))
        params[path] = jnp.asarray(array.reshape(leaf.shape))
    return unflatten_dict(params)


def test_features_equal_torch():
    graphdef, shapes, constants = split_shapes(
        lambda: FeaturePyramid(TOKEN_CHANNELS, CHANNELS, WIDTH, rngs=nnx.Rngs(0))
    )
    params = our_params(random_state(int(REFERENCE["weight_seed"])), shapes)
    taps, image = random_inputs(int(REFERENCE["input_seed"]))
    features = merge_model(graphdef, params, constants)(tuple(map(jnp.asarray, taps)), jnp.asarray(image))
    kept = REFERENCE["kept"]
    np.testing.assert_allclose(features[:, kept][:, :, kept], REFERENCE["features"], **PYRAMID_PARITY)
