"""The training objective (Eq. 12)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from omg_jax.config import LossConfig
from omg_jax.losses.perceptual import PerceptualParams, feature_distance, lpips_features
from omg_jax.losses.photometric import l2, ssim
from omg_jax.types import PairOutput

METRES_PER_WORLD_UNIT = 0.2


def total_loss(
    output: PairOutput,
    target: Float[Array, "b h w 3"],
    perceptual: PerceptualParams,
    config: LossConfig,
    key: Array,
    *,
    remat: bool = False,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The loss of Eq. 12, and its unweighted terms by name.

    ``weights . (L_2, L_SSIM, L_percep)`` summed over the coarse and the refined picture, plus the weighted offset
    regulariser. The paper leaves open whether the two pictures are summed or averaged, and L_SSIM's form: the sum and
    1 - SSIM are ours.

    Args:
        output: what the model made of a pair.
        target: the driving frame, RGB in [0, 1] on black.
        perceptual: the network of config.perceptual_net.
        config: weights, and what the perceptual term sees.
        key: places the perceptual term's crop, one for the batch; unused where it sees whole pictures.
        remat: a backward pass computes the perceptual network again rather than keep its activations.
    """
    terms = {"offset": offset_norm(output.vertex_offsets)}
    for name, picture in (("coarse", output.coarse), ("refined", output.refined)):
        terms[f"l2_{name}"] = jnp.mean(l2(picture, target))
        terms[f"ssim_{name}"] = jnp.mean(1.0 - ssim(picture, target))
    terms |= perceptual_terms(output, target, perceptual, config, key, remat=remat)
    weights = {"l2": config.l2, "ssim": config.ssim, "perceptual": config.perceptual, "offset": config.offset}
    total = sum(weights[name.split("_")[0]] * term for name, term in terms.items())
    return total, terms


def perceptual_terms(
    output: PairOutput,
    target: Float[Array, "b h w 3"],
    params: PerceptualParams,
    config: LossConfig,
    key: Array,
    *,
    remat: bool = False,
) -> dict[str, Float[Array, ""]]:
    """The perceptual distance of the coarse and of the refined picture; the target's features serve both."""
    pictures = jnp.stack([output.coarse, output.refined, target])
    if config.perceptual_size:
        pictures = random_crop(pictures, config.perceptual_size, key)

    def features(pictures: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b i j c"], ...]:
        return lpips_features(params, pictures, config.perceptual_max_tap)

    wanted = jax.lax.stop_gradient(features(pictures[2]))
    made = (jax.checkpoint(features) if remat else features)(pictures[:2].reshape(-1, *pictures.shape[2:]))
    both = feature_distance(params, made, tuple(jnp.concatenate([tap, tap]) for tap in wanted))
    coarse, refined = jnp.mean(both.reshape(2, -1), axis=1)
    return {"perceptual_coarse": coarse, "perceptual_refined": refined}


def random_crop(pictures: Float[Array, "*b h w c"], size: int, key: Array) -> Float[Array, "*b size size c"]:
    """The same square window out of every picture, anywhere inside.

    Raises:
        ValueError: the pictures are smaller than the window.
    """
    height, width = pictures.shape[-3:-1]
    if size > min(height, width):
        raise ValueError(f"perceptual_size: expected at most the pictures' {height} x {width} pixels, got {size}")
    corner = jax.random.randint(key, (2,), 0, jnp.array([height - size + 1, width - size + 1]))
    rows = jax.lax.dynamic_slice_in_dim(pictures, corner[0], size, axis=pictures.ndim - 3)
    return jax.lax.dynamic_slice_in_dim(rows, corner[1], size, axis=pictures.ndim - 2)


def offset_norm(vertex_offsets: Float[Array, "b v 3"]) -> Float[Array, ""]:
    """L_reg: the Euclidean norm, in metres, of all of a head's vertex offsets (world units); batch mean.

    Zero offsets, where training starts, have a zero gradient.
    """
    squared = jnp.sum(jnp.square(METRES_PER_WORLD_UNIT * vertex_offsets), axis=(1, 2))
    return jnp.mean(jnp.where(squared > 0.0, jnp.sqrt(jnp.where(squared > 0.0, squared, 1.0)), 0.0))
