"""Avatars: reconstruct one from a photo in a forward pass, and play it at any level of detail.

The avatar's NamedTuples and its file format stand in omg_jax.avatar_file.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from omg_jax.avatar_file import FORMAT_VERSION, Avatar, AvatarMeta
from omg_jax.config import Config
from omg_jax.head.load import Head
from omg_jax.models.dinov2 import DinoV2
from omg_jax.models.omg import OMG, Reconstruction, Source
from omg_jax.models.resize import resize_image
from omg_jax.models.state import merge_model, split_model
from omg_jax.types import Camera, Gaussians, HeadParams

MIN_PLANE_OPACITY = 1e-4  # plane Gaussians below this are dropped, as in the release


class Network(NamedTuple):
    """A trained network and what it needs: its options, head model, and the sha256 of its weights.

    backbone is frozen; it looks at photos, and a network that only plays avatars can do without.
    """

    config: Config
    head: Head
    model: OMG
    backbone: DinoV2 | None
    weights_sha256: str


class Frame(NamedTuple):
    """A played frame on black. coarse is the splatted colour, refined the network's picture, both in [0, 1]."""

    coarse: Float[Array, "h w 3"]
    refined: Float[Array, "h w 3"]
    alpha: Float[Array, "h w"]


def photo_tokens(backbone: DinoV2, image: Float[Array, "b h w 3"], size: int) -> tuple[Float[Array, "b t d"], ...]:
    """The frozen backbone's four taps of photos resized to size pixels."""
    return backbone(resize_image(image, (size, size)))


def reconstruct(
    network: Network,
    image: Float[Array, "h w 3"],
    matte: Float[Array, "h w"],
    params: HeadParams,
    camera: Camera,
) -> Avatar:
    """An avatar from one tracked photo: all three levels of detail, in one forward pass.

    image: the square crop in [0, 1], on any background; matte in [0, 1]; params and camera: the tracked head of the
    photo.

    Warns where more plane Gaussians are present than the network's plane.capacity.

    Raises:
        ValueError: the crop's size is not the one the network was made for.
    """
    size = network.config.model.image_size
    if image.shape != (size, size, 3):
        raise ValueError(
            f"the photo's crop has shape {image.shape}; expected ({size}, {size}, 3): crop it with tracking.track_photo"
        )
    if network.backbone is None:
        raise ValueError("the network was loaded without its backbone, which reads the photo; load it with one")
    lods, capacity = tuple(range(network.config.model.num_levels + 1)), network.config.model.plane.capacity
    graphdef, weights, constants = split_model(network.model)
    backbone_graph, backbone_weights, backbone_constants = split_model(network.backbone)

    @jax.jit
    def build(weights, backbone_weights, image, matte, params, camera):
        model = merge_model(graphdef, weights, constants)
        backbone = merge_model(backbone_graph, backbone_weights, backbone_constants)
        on_black = image * matte[..., None]
        tokens = photo_tokens(backbone, on_black, network.config.model.backbone_size)
        result = model.build(Source(on_black, matte, tokens, params, camera), lods)
        num_present = jnp.count_nonzero(result.plane.opacities > MIN_PLANE_OPACITY)
        return result._replace(plane=most_opaque(result.plane, capacity)), num_present

    one = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32)[None], (image, matte, params, camera))
    result, num_present = build(weights, backbone_weights, *one)
    result = jax.tree.map(lambda x: np.asarray(x[0]), result)
    if num_present > capacity:
        warnings.warn(
            f"{int(num_present) - capacity} of {int(num_present)} Gaussians outside the head, the least opaque, were "
            f"left out: plane.capacity is {capacity}",
            stacklevel=2,
        )
    return Avatar(
        levels=tuple(result.levels[lod] for lod in lods),
        plane=result.plane,
        shape_params=np.asarray(params.shape_params, np.float32),
        vertex_offsets=result.vertex_offsets,
        source_camera=jax.tree.map(lambda x: np.asarray(x, np.float32), camera),
        meta=AvatarMeta(
            format_version=FORMAT_VERSION,
            head_name=network.head.name,
            head_sha256=network.head.sha256,
            preset=network.config.name,
            compat=network.config.model.compat,
            weights_sha256=network.weights_sha256,
        ),
    )


def most_opaque(gaussians: Gaussians, capacity: int) -> Gaussians:
    """The capacity most opaque Gaussians in their old order, padded with absent ones (opacity zero)."""
    count = gaussians.opacities.shape[-1]
    opacities = jnp.where(gaussians.opacities > MIN_PLANE_OPACITY, gaussians.opacities, 0.0)
    gaussians = gaussians._replace(opacities=opacities)
    if count < capacity:
        return jax.tree.map(lambda x: jnp.pad(x, [(0, 0), (0, capacity - count)] + [(0, 0)] * (x.ndim - 2)), gaussians)
    kept = jnp.sort(jax.lax.top_k(opacities, capacity)[1], axis=-1)
    return jax.tree.map(lambda x: jax.vmap(lambda rows, index: rows[index])(x, kept), gaussians)


def make_player(
    network: Network, avatar: Avatar, lod: int, image_size: tuple[int, int] | None = None, *, refine: bool = True
) -> Callable[[HeadParams, Camera], Frame]:
    """A compiled function from a motion frame to a picture, at one level of detail.

    The avatar's arrays stay on the device; a frame moves only head parameters and a camera. The shape in the
    parameters is ignored: the avatar has its own. image_size defaults to the network's; the camera's intrinsics must
    belong to it. Without refine the refiner does not run, and refined is the coarse picture.

    Raises:
        ValueError: no such level, or the avatar was made by other weights or for another head model.
    """
    check_avatar(network, avatar, lod)
    size = image_size or (network.config.model.image_size,) * 2
    graphdef, weights, constants = split_model(network.model)
    batched = jax.tree.map(
        lambda x: jnp.asarray(x)[None], (avatar.levels[lod], avatar.plane, avatar.vertex_offsets, avatar.shape_params)
    )

    @jax.jit
    def play(weights, batched, params: HeadParams, camera: Camera) -> Frame:
        model = merge_model(graphdef, weights, constants)
        head, plane, offsets, shape_params = batched
        params, camera = jax.tree.map(lambda x: x[None], (params, camera))
        gaussians = model.pose(Reconstruction({lod: head}, plane, offsets), shape_params, params, lod)
        coarse, refined, output = model.render(gaussians, camera, size)
        return Frame(*(jnp.clip(x[0], 0.0, 1.0) for x in (coarse, refined if refine else coarse)), output.alpha[0])

    return lambda params, camera: play(weights, batched, params, camera)


def check_avatar(network: Network, avatar: Avatar, lod: int) -> None:
    """ValueError where the network cannot play this avatar at this level."""
    if not 0 <= lod < len(avatar.levels):
        raise ValueError(f"no level of detail {lod}; expected 0 to {len(avatar.levels) - 1}")
    if avatar.meta.head_sha256 != network.head.sha256:
        raise ValueError(
            f"the avatar belongs to head model {avatar.meta.head_name} ({avatar.meta.head_sha256[:12]}), expected "
            f"{network.head.name} ({network.head.sha256[:12]}): reconstruct it with this head"
        )
    if avatar.meta.weights_sha256 != network.weights_sha256:
        raise ValueError(
            f"the avatar was made with weights {avatar.meta.weights_sha256[:12]}, the network has "
            f"{network.weights_sha256[:12]}: give the same --weights, or reconstruct the avatar again"
        )


def count_gaussians(avatar: Avatar, lod: int) -> tuple[int, int]:
    """(on the head at this level, on the plane): Gaussians that are present."""
    return avatar.levels[lod].opacities.shape[0], int(np.count_nonzero(avatar.plane.opacities))
