"""The whole network: build an avatar from one photo, play it with the motion of another."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.spatial
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from omg_jax.config import ModelConfig
from omg_jax.geometry.camera import (
    PORTRAIT_FOCAL,
    camera_centre,
    camera_forward,
    crop_camera,
    scale_camera,
    world_to_pixels,
)
from omg_jax.geometry.normals import vertex_normals
from omg_jax.geometry.subdivision import build_subdivision, mesh_edges, subdivide_to_level
from omg_jax.geometry.visibility import zbuffer
from omg_jax.head.model import HeadModel, head_vertices
from omg_jax.models.dinov2 import CONFIGS, PATCH_SIZE
from omg_jax.models.embedding import harmonic_embedding
from omg_jax.models.gaussian_heads import GaussianHeads, OffsetHead
from omg_jax.models.lookup import look_up, off_black, places_in_photo, rasterize_places, split_places
from omg_jax.models.precision import compute_in, full_float32, round_weights
from omg_jax.models.pyramid import FEATURES_PER_TOKEN, FeaturePyramid
from omg_jax.models.resize import resize_image
from omg_jax.models.sampling import VisibilityFusion, sample_bilinear
from omg_jax.models.shoulder import PlaneHead, extend, release_shoulder_mask, shoulder_mask
from omg_jax.models.state import Constant
from omg_jax.models.style_unet import StyleUNet
from omg_jax.models.subdivide import HierarchicalSubdivision
from omg_jax.models.transformer import GlobalTransformer
from omg_jax.models.unet import UNetRefiner
from omg_jax.splat.api import rasterize
from omg_jax.types import Camera, Gaussians, HeadGaussians, HeadParams, PairBatch, PairOutput, RenderOutput

PERSON = 0.5  # share of the person from which on a vertex shows them
CARVED_BELOW = 0.3  # share of the person below which a Gaussian loses opacity; a soft border's inner part stays whole
LARGEST_PLACED = 0.04  # world units; the largest standard deviation of a Gaussian with a place: 1.4 vertices of level 0
TYPICAL_DISTANCE = 9.2  # world units from the paper's camera to a portrait's head; where the plane's scales start


class Source(NamedTuple):
    """A photo ready to be built from. image is on black; tokens are the frozen backbone's four taps."""

    image: Float[Array, "b h w 3"]
    matte: Float[Array, "b h w"]
    tokens: tuple[Float[Array, "b t d"], ...]
    params: HeadParams
    camera: Camera


class Reconstruction(NamedTuple):
    """What build makes of a photo: Gaussians per built level, the plane's, and the learned offsets (world units).

    photo: what the refiner looks up, in the photo's own colours; of 0 x 0 pixels where it does not.
    """

    levels: dict[int, HeadGaussians]
    plane: Gaussians
    vertex_offsets: Float[Array, "b v 3"]
    photo: Float[Array, "b i j 3"]


class OMG(nnx.Module):
    """OMG-Avatar without its frozen backbone. Constants hold the head model and the subdivision of its mesh."""

    def __init__(self, config: ModelConfig, head: HeadModel, *, rngs: nnx.Rngs):
        self.config = config
        self.head = Constant(jax.tree.map(jnp.asarray, head))
        subdivision = build_subdivision(
            np.asarray(head.faces), head.template.shape[0], config.num_levels, config.subdivision
        )
        width, gaussians, parts, differences = config.width, config.gaussians, config.parts, config.differences
        token_channels = CONFIGS[config.backbone].width
        if parts.local_features or parts.shoulder:
            self.pyramid = FeaturePyramid(token_channels, config.pyramid_channels, width, rngs=rngs)
        if parts.global_features:
            self.transformer = GlobalTransformer(
                head.template.shape[0], token_channels, width, config.transformer, rngs=rngs
            )
            self.offset_head = OffsetHead(width, gaussians, rngs=rngs)
        self.subdivide = HierarchicalSubdivision(
            subdivision, width, with_mlp=parts.global_features and not differences.no_level_mlp, rngs=rngs
        )
        if gaussians.colour_skip:
            with jax.ensure_compile_time_eval():
                template = jnp.asarray(head.template)
                levels = [subdivide_to_level(subdivision, template, k) for k in range(config.num_levels + 1)]
            self.mirrored = nnx.List([Constant(jnp.asarray(mirrored_vertices(np.asarray(v)))) for v in levels])
        margin = round(config.plane.margin * config.image_size)
        self.fusion = VisibilityFusion(config.image_size, config.visibility_tolerance, differences, margin)
        spacing = jnp.asarray(vertex_spacing(np.asarray(head.template), np.asarray(head.faces)))[:, None]
        self.gaussian_heads = GaussianHeads(
            width,
            [self.subdivide.positions(spacing, k)[:, 0] / 2**k for k in range(config.num_levels + 1)],
            gaussians,
            vertex_axis_quats=differences.vertex_axis_quats,
            rngs=rngs,
        )
        self.plane_size = FEATURES_PER_TOKEN * (config.backbone_size // PATCH_SIZE) * config.plane.upsample
        if parts.shoulder:
            spacing = 2.0 * TYPICAL_DISTANCE / (PORTRAIT_FOCAL * self.plane_size)
            self.plane_head = PlaneHead(
                width, config.plane, gaussians, spacing, config.image_size, differences, rngs=rngs
            )
        if parts.refiner and config.refiner is None:
            self.refiner = StyleUNet(gaussians.num_channels, rngs=rngs)
        elif parts.refiner:
            self.refiner = UNetRefiner(gaussians.num_channels, config.refiner, rngs=rngs)

    @full_float32
    def build(
        self, source: Source, lods: tuple[int, ...], queries: Float[Array, "v c"] | None = None
    ) -> Reconstruction:
        """The photo's Gaussians at these levels of detail (Eqs. 1-11).

        queries: what ``start`` gives, where it is known already.
        """
        head, faces, parts = self.head.get_value(), self.head.get_value().faces, self.config.parts
        direction = harmonic_embedding(camera_forward(source.camera))
        tokens = jax.tree.map(lambda tap: self.config.token_scale * tap, source.tokens)
        if parts.local_features or parts.shoulder:
            local_map = self.pyramid(tokens, source.image)
        global_features, offsets = self.global_branch(tokens[-1], direction, queries)
        moved = not self.config.differences.target_offsets_only
        posed = head_vertices(head, source.params, offsets if moved else None)
        # No gradient: the normals only tell the skip how obliquely it looks, and those of tiny faces turn violently.
        normals = vertex_normals(jax.lax.stop_gradient(posed), faces)
        features = self.subdivide.features(global_features)
        levels, image_size = {}, source.image.shape[1]
        if self.config.gaussians.colour_skip:
            nearby = jax.lax.stop_gradient(self.seen_nearby(source, posed, normals))
        for lod in lods:
            vertices = self.subdivide.positions(posed, lod)
            visibility = self.visible_vertices(vertices, posed, lod, source.camera)
            fused = features[lod]
            if parts.local_features:
                fused = self.fusion(fused, local_map, vertices, visibility, source.camera)
            own = photo_at_vertices(source, vertices, self.subdivide.positions(normals, lod), visibility)
            skip = None
            if self.config.gaussians.colour_skip:
                mirror_image = jax.lax.stop_gradient(own)[:, self.mirrored[lod][...]]
                stand_in = self.subdivide.positions(nearby, lod).at[..., 5].set(mirror_image[..., 5])
                mirror_image = jnp.where(mirror_image[..., 3:4] < PERSON, stand_in, mirror_image)
                skip = jnp.concatenate([own, mirror_image], axis=-1)
            levels[lod] = self.gaussian_heads(fused, direction, skip, lod)
            if self.config.gaussians.carve:
                levels[lod] = carve(levels[lod], source, vertices)
            if looks_up(self.config):
                shown = own[..., 3]  # the matte where the photo shows the vertex
                levels[lod] = with_places(levels[lod], source.camera, vertices, shown, image_size)
        plane = no_gaussians(len(offsets), self.config.gaussians.num_channels)
        if parts.shoulder:
            mask = self.plane_mask(source, posed)
            plane = self.plane_head(local_map, direction, source.image, source.matte, mask, source.camera)
        photo = source.image[:, :0, :0]
        if looks_up(self.config):
            plane = with_places(plane, source.camera, plane.means, jnp.ones(plane.means.shape[:-1]), image_size)
            photo = off_black(source.image, source.matte)
        return Reconstruction(levels, plane, offsets, photo)

    @full_float32
    def start(self) -> Float[Array, "v c"] | None:
        """What of the global branch depends on no photo (GlobalTransformer.start); None where there is no branch."""
        return self.transformer.start() if self.config.parts.global_features else None

    def global_branch(
        self,
        tokens: Float[Array, "b t d"],
        direction: Float[Array, "b 27"],
        queries: Float[Array, "v c"] | None = None,
    ) -> tuple[Float[Array, "b v c"], Float[Array, "b v 3"]]:
        """F_global of level 0, and the vertex offsets that come from it (Eq. 1)."""
        if not self.config.parts.global_features:
            batch, num_vertices = len(tokens), self.head.get_value().template.shape[0]
            return jnp.zeros((batch, num_vertices, self.config.width)), jnp.zeros((batch, num_vertices, 3))
        features = self.transformer(tokens, queries)
        return features, self.offset_head(features, direction)

    def seen_nearby(
        self, source: Source, posed: Float[Array, "b v 3"], normals: Float[Array, "b v 3"]
    ) -> Float[Array, "b v 6"]:
        """What the photo shows (photo_at_vertices) at the vertex of level 0 that is nearest among those it shows.

        It stands in where neither a vertex nor its mirror image is shown: the back of a head has its hair's colour.
        """
        visibility = self.visible_vertices(posed, posed, 0, source.camera)
        own = photo_at_vertices(source, posed, normals, visibility)
        nearest = jax.vmap(nearest_shown, in_axes=(None, 0))(self.head.get_value().template, own[..., 3] >= PERSON)
        return jnp.take_along_axis(own, nearest[..., None], axis=1)

    def visible_vertices(
        self, vertices: Float[Array, "b n 3"], posed: Float[Array, "b v 3"], lod: int, camera: Camera
    ) -> Bool[Array, "b n"]:
        """Which vertices of a level the photo shows (Eq. 5), with its margin; posed: those of level 0, in its pose."""
        if not self.config.parts.occlusion_mask:
            return jnp.ones(vertices.shape[:2], bool)
        if self.config.subdivision == "midpoint":  # all levels share the surface of level 0, which has fewer faces
            return self.fusion.visibility(vertices, posed, self.head.get_value().faces, camera)
        return self.fusion.visibility(vertices, vertices, self.subdivide.subdivision.faces[lod], camera)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of plane Gaussians, with the margin below and to either side."""
        upsample = self.config.plane.upsample
        margin = upsample * self.plane_head.margin_cells(self.plane_size // upsample)
        return self.plane_size + margin, self.plane_size + 2 * margin

    def plane_mask(self, source: Source, posed: Float[Array, "b v 3"]) -> Float[Array, "b i j"]:
        """Where plane Gaussians may stand, with the plane's margin: the head reaches into it, and leaves it free."""
        size, posed, faces = self.plane_size, jax.lax.stop_gradient(posed), self.head.get_value().faces
        margin = self.plane_shape[0] - size
        if self.config.differences.near_half_mask:
            depth, _ = zbuffer(posed, faces, source.camera, (self.config.image_size,) * 2)
            return extend(resize_image(release_shoulder_mask(depth)[..., None], (size, size))[..., 0], margin)
        camera = crop_camera(scale_camera(source.camera, size / self.config.image_size), 0, -margin)
        depth, _ = zbuffer(posed, faces, camera, self.plane_shape)
        matte = extend(resize_image(source.matte[..., None], (size, size))[..., 0], margin)
        return shoulder_mask(matte, depth, self.config.plane.region, size)

    def pose(
        self, reconstruction: Reconstruction, shape_params: Float[Array, "b s"], params: HeadParams, lod: int
    ) -> Gaussians:
        """The Gaussians of a motion frame: only positions change. Plane first, head last, in the release's order."""
        own = params._replace(shape_params=shape_params)
        vertices = head_vertices(self.head.get_value(), own, reconstruction.vertex_offsets)
        head = reconstruction.levels[lod]
        head = Gaussians(self.subdivide.positions(vertices, lod), *head)
        return Gaussians(*(jnp.concatenate(pair, axis=1) for pair in zip(reconstruction.plane, head, strict=True)))

    def render(
        self,
        gaussians: Gaussians,
        photo: Float[Array, "b i j 3"],
        camera: Camera,
        image_size: tuple[int, int],
        *,
        remat: bool = False,
    ) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 3"], RenderOutput]:
        """(coarse RGB, refined RGB, what was splatted), on black; ValueError at a size the refiner does not take.

        remat: a backward pass computes the refiner again rather than keep its activations.
        """
        output = self.splat(gaussians, camera, image_size)
        refine = jax.checkpoint(self.refine) if remat else self.refine
        return output.features[..., :3], refine(output.features, photo), output

    @full_float32
    def splat(self, gaussians: Gaussians, camera: Camera, image_size: tuple[int, int]) -> RenderOutput:
        """The Gaussians' features as the camera sees them, ready for ``refine``."""
        draw = rasterize_places if looks_up(self.config) else rasterize
        return draw(gaussians, camera, image_size)

    @full_float32
    def refine(self, features: Float[Array, "b h w c"], photo: Float[Array, "b i j 3"]) -> Float[Array, "b h w 3"]:
        """The refiner's picture. The release adds random noise: here the same in every frame, against flicker."""
        if not self.config.parts.refiner:
            return features[..., :3]
        if looks_up(self.config):
            features, places = split_places(features)
            return self.refiner(features, look_up(photo, places))
        if self.config.differences.refiner_noise and self.config.refiner is None:
            return self.refiner(features, jax.random.key(0))
        return self.refiner(features)

    def forward_pair(self, batch: PairBatch, lod: int, *, remat: bool = False) -> PairOutput:
        """Build from the source, play the target's motion, at one level of detail: what a training step compares.

        remat: as for ``render``.
        """
        source = Source(
            batch.source_image, batch.source_matte, batch.source_tokens, batch.source_params, batch.source_camera
        )
        reconstruction = self.build(source, (lod,))
        gaussians = self.pose(reconstruction, batch.source_params.shape_params, batch.target_params, lod)
        size = batch.target_image.shape[1:3]
        coarse, refined, output = self.render(
            gaussians, reconstruction.photo, batch.target_camera, size, remat=remat
        )
        return PairOutput(coarse, refined, output.alpha, output.depth, reconstruction.vertex_offsets)

    def seen_by_source(self, batch: PairBatch, lod: int) -> Float[Array, "b i j"]:
        """The head as the target poses it: 1 where the source shows the surface (Eq. 5), half where not, 0 outside."""
        head, faces = self.head.get_value(), self.subdivide.subdivision.faces[lod]
        posed = head_vertices(head, batch.source_params)
        vertices = self.subdivide.positions(posed, lod)
        visible = self.visible_vertices(vertices, posed, lod, batch.source_camera)
        target = batch.target_params._replace(shape_params=batch.source_params.shape_params)
        moved = self.subdivide.positions(head_vertices(head, target), lod)
        _, face = zbuffer(moved, faces, batch.target_camera, batch.target_image.shape[1:3])
        shown = jnp.mean(visible[:, faces].astype(jnp.float32), axis=-1)
        return jax.vmap(lambda shown, face: jnp.where(face < 0, 0.0, 0.5 + 0.5 * shown[face]))(shown, face)


class FrameModel(nnx.Module):
    """What of a network a frame needs: the subdivision's tables and, where frames are refined, the refiner.

    The refiner's weights are those that the network's precision rounds them to.
    """

    def __init__(self, model: OMG, *, refine: bool):
        model = nnx.clone(model)
        self.config, self.subdivide = model.config, model.subdivide
        self.subdivide.mlps = nnx.List([])
        if refine and model.config.parts.refiner:
            self.refiner = model.refiner
        round_weights(self)

    splat, refine = OMG.splat, OMG.refine


def looks_up(config: ModelConfig) -> bool:
    """Whether Gaussians carry their place in the photo, for the refiner to look it up."""
    return config.parts.refiner and config.refiner is not None and config.refiner.look_up


def with_places(
    gaussians: HeadGaussians | Gaussians,
    camera: Camera,
    points: Float[Array, "b n 3"],
    shown: Float[Array, "b n"],
    image_size: int,
) -> HeadGaussians | Gaussians:
    """The Gaussians with further feature channels: the places of their means in the photo (places_in_photo).

    Those that are too large to stand for one place have none: they count as not shown.
    """
    shown = jnp.where(jnp.max(gaussians.scales, axis=-1) <= LARGEST_PLACED, shown, 0.0)
    places = places_in_photo(camera, points, shown, image_size)
    return gaussians._replace(features=jnp.concatenate([gaussians.features, places], axis=-1))


def carve(gaussians: HeadGaussians, source: Source, points: Float[Array, "b n 3"]) -> HeadGaussians:
    """The Gaussians, transparent where the photo shows background: what lies before or behind it is not the person."""
    pixels, _ = world_to_pixels(source.camera, points)
    matte = sample_bilinear(source.matte[..., None], pixels)[..., 0]
    share = jax.lax.stop_gradient(jnp.minimum(matte / CARVED_BELOW, 1.0))
    return gaussians._replace(opacities=gaussians.opacities * share)


def no_gaussians(batch: int, num_channels: int) -> Gaussians:
    """A batch of zero Gaussians."""
    return Gaussians(*(jnp.zeros((batch, 0, *tail)) for tail in ((3,), (4,), (3,), (), (num_channels,))))


def build_model(config: ModelConfig, head: HeadModel, seed: int, dtype: DTypeLike = jnp.float32) -> OMG:
    """A freshly initialised model; dtype is what its trunks compute in (see omg_jax.models.precision)."""
    model = OMG(config, head, rngs=nnx.Rngs(seed))
    compute_in(model, dtype)
    return model


def photo_at_vertices(
    source: Source, vertices: Float[Array, "b n 3"], normals: Float[Array, "b n 3"], visibility: Array
) -> Float[Array, "b n 6"]:
    """What the photo shows per vertex: its colour and matte where visible, visibility, cosine of the angle of view."""
    pixels, _ = world_to_pixels(source.camera, vertices)
    visible = visibility[..., None].astype(vertices.dtype)
    photo = jnp.concatenate([source.image, source.matte[..., None]], axis=-1)
    to_camera = camera_centre(source.camera)[:, None, :] - vertices
    cosine = jnp.sum(normals * to_camera, axis=-1, keepdims=True) / jnp.linalg.norm(to_camera, axis=-1, keepdims=True)
    return jnp.concatenate([sample_bilinear(photo, pixels) * visible, visible, cosine], axis=-1)


def nearest_shown(template: Float[Array, "v 3"], shown: Bool[Array, " v"]) -> Int[Array, " v"]:
    """For each vertex the nearest one that is shown, on the head at rest; vertex 0 where none is."""
    # Squared distances, but for a vertex's own square, which all its candidates share.
    products = jnp.matmul(template, template.T, precision=jax.lax.Precision.HIGHEST)
    distances = jnp.sum(template**2, axis=-1) - 2.0 * products
    return jnp.argmin(jnp.where(shown, distances, jnp.inf), axis=-1)


def mirrored_vertices(template: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
    """For each vertex the one nearest to its mirror image in the plane x = 0, where a head is symmetric."""
    return scipy.spatial.cKDTree(template).query(template * [-1.0, 1.0, 1.0])[1].astype(np.int32)


def vertex_spacing(template: Float[np.ndarray, "v 3"], faces: np.ndarray) -> Float[np.ndarray, " v"]:
    """Mean length of the edges at each vertex (world units)."""
    edges, _ = mesh_edges(faces, len(template))
    lengths = np.linalg.norm(template[edges[:, 0]] - template[edges[:, 1]], axis=-1)
    total = sum(np.bincount(edges[:, end], lengths, len(template)) for end in (0, 1))
    count = sum(np.bincount(edges[:, end], minlength=len(template)) for end in (0, 1))
    return (total / np.maximum(count, 1)).astype(np.float32)
