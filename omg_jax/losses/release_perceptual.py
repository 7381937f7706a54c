"""The perceptual term that the authors' release inherits from GAGAvatar, in place of LPIPS.

Of its two networks this has AlexNet. The other, VGG-Face, comes with no package: its half of the term is left out.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from omg_jax.losses.perceptual import NUM_TAPS, PerceptualParams, network_features, unit_length

TAP_WEIGHTS = (0.1, 0.1, 1.0, 1.0, 1.0)

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def release_perceptual_loss(
    alexnet: PerceptualParams, a: Float[Array, "b h w 3"], b: Float[Array, "b h w 3"]
) -> Float[Array, "b"]:
    """Absolute differences of AlexNet's unit-length features: channels summed, space averaged, taps weighted.

    Args:
        alexnet: the network of the asset lpips-alexnet; LPIPS's heads are not used.
        a, b: RGB in [0, 1].
    """
    pairs = zip(TAP_WEIGHTS, _features(alexnet, a), _features(alexnet, b), strict=True)
    return sum(weight * jnp.mean(jnp.sum(jnp.abs(x - y), axis=-1), axis=(1, 2)) for weight, x, y in pairs)


def _features(params: PerceptualParams, images: Float[Array, "b h w 3"]) -> list[Float[Array, "b _ _ _"]]:
    normalised = (images - jnp.array(_IMAGENET_MEAN)) / jnp.array(_IMAGENET_STD)
    return [unit_length(features) for features in network_features(params, normalised, NUM_TAPS)]
