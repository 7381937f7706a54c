"""Avatars: reconstruct one from a photo in a forward pass, and play it at any level of detail.

The avatar's NamedTuples and its file format stand in omg_jax.avatar_file.
"""

import functools
import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from omg_jax.avatar_file import FORMAT_VERSION, Avatar, AvatarMeta
from omg_jax.config import Config
from omg_jax.head.load import Head
from omg_jax.head.model import JOINT_NAMES, HeadModel, bake_identity, head_vertices
from omg_jax.head.shoulders import Shoulders, find_shoulders, place_shoulders
from omg_jax.models.dinov2 import DinoV2
from omg_jax.models.omg import OMG, FrameModel, Source
from omg_jax.models.resize import resize_image
from omg_jax.models.state import merge_model, split_model
from omg_jax.splat.api import rasterize
from omg_jax.types import Camera, Gaussians, HeadGaussians, HeadParams, Torso

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


def make_reconstructor(network: Network) -> Callable[..., Avatar]:
    """A compiled function from tracked photos to avatars: ``reconstruct`` without its first argument.

    What depends on no photo, the transformer's start, is computed here, once.

    Raises:
        ValueError: the network was loaded without its backbone.
    """
    if network.backbone is None:
        raise ValueError("the network was loaded without its backbone, which reads the photo; load it with one")
    config = network.config.model
    lods = tuple(range(config.num_levels + 1))
    graphdef, *parameters = split_model(network.model)
    backbone_graph, *backbone_parameters = split_model(network.backbone)
    queries = queries_program(graphdef)(*parameters)
    build = build_program(graphdef, backbone_graph, config.backbone_size, lods, config.plane.capacity)

    def reconstruct_one(
        image: Float[Array, "h w 3"], matte: Float[Array, "h w"], params: HeadParams, camera: Camera
    ) -> Avatar:
        size = (config.image_size, config.image_size, 3)
        if image.shape != size:
            raise ValueError(
                f"the photo's crop has shape {image.shape}; expected {size}: crop it with tracking.track_photo"
            )
        photo = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32)[None], (image, matte, params, camera))
        result, num_present = jax.device_get(build(parameters, backbone_parameters, queries, *photo))
        warn_of_overflow(int(num_present), config.plane.capacity)
        return Avatar(
            levels=tuple(result.levels[lod] for lod in lods),
            plane=result.plane,
            shape_params=np.asarray(params.shape_params, np.float32),
            vertex_offsets=result.vertex_offsets,
            photo=result.photo,
            source_camera=jax.tree.map(lambda x: np.asarray(x, np.float32), camera),
            meta=AvatarMeta(
                format_version=FORMAT_VERSION,
                head_name=network.head.name,
                head_sha256=network.head.sha256,
                preset=network.config.name,
                compat=config.compat,
                weights_sha256=network.weights_sha256,
            ),
        )

    return reconstruct_one


def reconstruct(
    network: Network,
    image: Float[Array, "h w 3"],
    matte: Float[Array, "h w"],
    params: HeadParams,
    camera: Camera,
) -> Avatar:
    """An avatar from one tracked photo: all three levels of detail, in one forward pass.

    image: the square crop in [0, 1], on any background; matte in [0, 1]; params and camera: the tracked head of the
    photo. For several photos make one ``make_reconstructor``.

    Warns where more plane Gaussians are present than the network's plane.capacity.

    Raises:
        ValueError: the crop's size is not the one the network was made for, or the network has no backbone.
    """
    return make_reconstructor(network)(image, matte, params, camera)


# Programs are compiled once for each model and level, and serve every avatar and every player of them.


@functools.cache
def queries_program(graphdef: nnx.GraphDef) -> Callable:
    """The compiled ``OMG.start``."""
    return jax.jit(lambda weights, constants: merge_model(graphdef, weights, constants).start())


@functools.cache
def build_program(
    graphdef: nnx.GraphDef, backbone_graph: nnx.GraphDef, backbone_size: int, lods: tuple[int, ...], capacity: int
) -> Callable:
    """The compiled forward pass: a batch of one photo to (Reconstruction, plane Gaussians that are present).

    The reconstruction's plane is padded, and it has no batch axis. Nothing is donated: no output has the photo's size.
    """

    @jax.jit
    def build(parameters, backbone_parameters, queries, image, matte, params, camera):
        model = merge_model(graphdef, *parameters)
        backbone = merge_model(backbone_graph, *backbone_parameters)
        on_black = image * matte[..., None]
        tokens = photo_tokens(backbone, on_black, backbone_size)
        result = model.build(Source(on_black, matte, tokens, params, camera), lods, queries)
        num_present = jnp.count_nonzero(result.plane.opacities > MIN_PLANE_OPACITY)
        result = result._replace(plane=most_opaque(result.plane, capacity))
        return jax.tree.map(lambda x: x[0], result), num_present

    return build


def warn_of_overflow(num_present: int, capacity: int) -> None:
    """Warns of plane Gaussians beyond the fixed number that an avatar holds."""
    if num_present > capacity:
        warnings.warn(
            f"{num_present - capacity} of {num_present} Gaussians outside the head, the least opaque, were "
            f"left out: plane.capacity is {capacity}",
            stacklevel=3,
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


class Person(NamedTuple):
    """What of an avatar a level's frames need, on the device: plane Gaussians first, head last, in the release's order.

    head: the person's own, so that no frame computes their shape again; attributes: of all Gaussians, which no motion
    changes; photo: what the refiner looks up; shoulders: None where they turn with the head.
    """

    head: HeadModel
    plane_means: Float[Array, "p 3"]
    attributes: HeadGaussians
    photo: Float[Array, "h w 3"]
    shoulders: Shoulders | None


def make_person(network: Network, avatar: Avatar, lod: int, *, shoulders_follow: bool) -> Person:
    """Uploads an avatar and computes what all of its frames share."""
    avatar = avatar._replace(**jax.tree.map(jnp.asarray, {k: v for k, v in avatar._asdict().items() if k != "meta"}))
    head = bake_identity(network.head.model, avatar.shape_params, avatar.vertex_offsets)
    plane = HeadGaussians(*avatar.plane[1:])
    attributes = HeadGaussians(*(jnp.concatenate(pair) for pair in zip(plane, avatar.levels[lod], strict=True)))
    shoulders = None
    if not shoulders_follow:
        # The photo's expression hardly moves the neck: the head at rest is as good.
        vertices = network.model.subdivide.positions(head.template, lod)
        jaw = network.model.subdivide.positions(head.skinning_weights[:, JOINT_NAMES.index("jaw"), None], lod)[:, 0]
        points = jnp.concatenate([avatar.plane.means, vertices])
        jaw = jnp.concatenate([jnp.zeros(len(avatar.plane.means)), jaw])
        shoulders = find_shoulders(head, points, jaw, avatar.source_camera)
    return Person(head, avatar.plane.means, attributes, avatar.photo, shoulders)


def make_player(
    network: Network,
    avatar: Avatar,
    lod: int,
    image_size: tuple[int, int] | None = None,
    *,
    refine: bool = True,
    shoulders_follow: bool = False,
) -> Callable[..., Frame]:
    """A compiled function from a motion frame to a picture, at one level of detail.

    ``player(params, camera)`` plays the driver's head parameters as the driver's camera sees them. The shape in the
    parameters is ignored: the avatar has its own. ``player(params, camera, view)`` looks from any other camera; the
    driver's then only tells how the head is turned. ``player(params, camera, view, torso)`` moves the shoulders as the
    driver's torso; without it they keep the photo's orientation below the neck. ``jax.vmap(player)`` plays a batch.

    The call returns before the picture is there, and no frame waits for another: queue as many as memory holds. All
    that depends on the avatar alone is computed here; a frame computes positions, splats and refines. Players share
    compiled programs: for another avatar of the same network nothing is compiled again, and changing between the
    players of two levels costs nothing but each one's first frame. Of the network a player keeps what frames use, so
    the rest of it may go.

    Args:
        image_size: (height, width) of the pictures, by default the network's; the camera's intrinsics belong to it.
            The small preset's refiner takes multiples of 8, the paper preset's 512 x 512 alone.
        refine: False leaves the refiner out, and takes any size; refined is then the coarse picture.
        shoulders_follow: what lies below the neck turns with the head, as the paper has it, and the driver's torso is
            ignored.

    Raises:
        ValueError: no such level, or the avatar was made by other weights or for another head model; at the first
            frame, a size that the refiner does not take.
    """
    check_avatar(network, avatar, lod)
    size = image_size or (network.config.model.image_size,) * 2
    graphdef, *parameters = split_model(FrameModel(network.model, refine=refine))
    person = make_person(network, avatar, lod, shoulders_follow=shoulders_follow)
    program = frame_program(graphdef, lod, tuple(size), refine)

    def player(
        params: HeadParams, camera: Camera, view: Camera | None = None, torso: Torso | None = None
    ) -> Frame:
        return program(parameters, person, params, camera, camera if view is None else view, torso)

    return player


@functools.cache
def frame_program(graphdef: nnx.GraphDef, lod: int, image_size: tuple[int, int], refine: bool) -> Callable:
    """The compiled frame of a model (a FrameModel, or a whole one) at a level: what ``make_player`` calls.

    Nothing is donated: a frame's own arguments are its parameters and cameras, and no picture has their size.
    """

    @jax.jit
    def play(
        parameters, person: Person, params: HeadParams, camera: Camera, view: Camera, torso: Torso | None = None
    ) -> Frame:
        model = merge_model(graphdef, *parameters)
        gaussians = pose_person(model, person, params, camera, lod, torso)
        gaussians, view = jax.tree.map(lambda x: x[None], (gaussians, view))
        if refine:
            output = model.splat(gaussians, view, image_size)
            coarse, refined = output.features[..., :3], model.refine(output.features, person.photo[None])
        else:
            output = rasterize(gaussians._replace(features=gaussians.features[..., :3]), view, image_size)
            coarse = refined = output.features
        return Frame(*(jnp.clip(x[0], 0.0, 1.0) for x in (coarse, refined)), output.alpha[0])

    return play


def pose_person(
    model: OMG | FrameModel,
    person: Person,
    params: HeadParams,
    camera: Camera,
    lod: int,
    torso: Torso | None = None,
) -> Gaussians:
    """The Gaussians of a motion frame: only positions change, and the shoulders' rotations unless they follow."""
    vertices = head_vertices(person.head, params._replace(shape_params=jnp.zeros(0)))
    means = jnp.concatenate([person.plane_means, model.subdivide.positions(vertices, lod)])
    gaussians = Gaussians(means, *person.attributes)
    return gaussians if person.shoulders is None else place_shoulders(gaussians, person.shoulders, camera, torso)


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


@jax.jit
def as_bytes(picture: Float[Array, "h w 3"]) -> UInt8[Array, "h w 3"]:
    """A float RGB picture in [0, 1] (clipped) as bytes, on its device: a quarter of the memory to fetch."""
    return (jnp.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(jnp.uint8)


def count_gaussians(avatar: Avatar, lod: int) -> tuple[int, int]:
    """(on the head at this level, on the plane): Gaussians that are present."""
    return avatar.levels[lod].opacities.shape[0], int(np.count_nonzero(avatar.plane.opacities))
