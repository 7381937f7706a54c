"""The rasterizer's specification in plain JAX: every pixel against every Gaussian.

Slow, short, and the oracle of the native kernels' tests.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from omg_jax.splat.api import Settings, broadcast_batch, make_settings
from omg_jax.types import Camera, Gaussians, RenderOutput, RenderStats

MAX_ALPHA = 0.99
MIN_ALPHA = 1.0 / 255.0
MIN_TRANSMITTANCE = 1e-4
CLAMP_MARGIN = 0.15
TILE_SIZE = 16


def rasterize_reference(
    gaussians: Gaussians,
    camera: Camera,
    image_size: tuple[int, int],
    *,
    near: float = 0.01,
    blur: float = 0.3,
) -> RenderOutput:
    """Renders by the rules that ``omg_jax.splat.rasterize`` documents; arguments as there, but float64 works too.

    Differentiable by autodiff. Costs height x width x Gaussians operations, and memory for one row of pixels at a time.
    The stats count Gaussians and tiles that share a pixel with an alpha of at least 1/255; the kernels', which count
    what the ellipse of that alpha reaches, can be a little larger.
    """
    settings = make_settings(image_size, near, blur)
    gaussians, camera = broadcast_batch(gaussians, camera)
    batch = gaussians.means.shape[:-2]
    camera = Camera(*(jnp.broadcast_to(a, batch + a.shape[-2:]) for a in camera))
    render = lambda g, c: _render_image(g, c, settings)  # noqa: E731
    for _ in batch:
        render = jax.vmap(render)
    return render(gaussians, camera)


class Splats(NamedTuple):
    """Gaussians on the image plane. Positions in pixels, conics (xx, xy, yy) in 1/pixels^2, depths in world units."""

    means2d: Float[Array, "n 2"]
    conics: Float[Array, "n 3"]
    depths: Float[Array, " n"]
    opacities: Float[Array, " n"]
    features: Float[Array, "n c"]


def _render_image(gaussians: Gaussians, camera: Camera, settings: Settings) -> RenderOutput:
    finite = _is_finite(gaussians, camera)
    camera = jax.tree.map(lambda a: jnp.where(_all_finite(camera), a, jnp.eye(len(a), dtype=a.dtype)), camera)
    drawable = finite & jax.lax.stop_gradient(_is_drawable(gaussians, camera, settings))
    splats = project(_make_harmless(gaussians, ~drawable), camera, settings, harmless=~drawable)
    splats = splats._replace(opacities=jnp.where(drawable, splats.opacities, 0.0))
    order = jnp.argsort(jax.lax.stop_gradient(splats.depths), stable=True)
    splats = jax.tree.map(lambda a: a[order], splats)
    rows = jnp.arange(settings.height, dtype=splats.depths.dtype) + 0.5
    blend_row = jax.checkpoint(lambda y: _blend_row(splats, y, settings.width))
    features, alpha, depth, seen = jax.lax.map(blend_row, rows)
    return RenderOutput(features, alpha, depth, _count(seen, finite))


def _all_finite(tree) -> Bool[Array, ""]:
    return jnp.stack([jnp.isfinite(a).all() for a in tree]).all()


def _is_finite(gaussians: Gaussians, camera: Camera) -> Bool[Array, " n"]:
    return jax.vmap(_all_finite)(gaussians) & _all_finite(camera)


def _make_harmless(gaussians: Gaussians, mask: Bool[Array, " n"]) -> Gaussians:
    """Replaces masked Gaussians by finite ones, so that their derivatives are zero and not zero times infinity."""
    column = mask[:, None]
    identity = jnp.asarray([1.0, 0.0, 0.0, 0.0], gaussians.quats.dtype)
    return Gaussians(
        means=jnp.where(column, 0.0, gaussians.means),
        quats=jnp.where(column, identity, gaussians.quats),
        scales=jnp.where(column, 1.0, gaussians.scales),
        opacities=jnp.where(mask, 0.0, gaussians.opacities),
        features=jnp.where(column, 0.0, gaussians.features),
    )


def _is_drawable(gaussians: Gaussians, camera: Camera, settings: Settings) -> Bool[Array, " n"]:
    """Rule 2 of the specification."""
    splats = project(gaussians, camera, settings, harmless=False)
    finite = jax.vmap(_all_finite)((splats.means2d, splats.conics))
    xx, xy, yy = splats.conics.T
    return finite & (splats.depths >= settings.near) & (gaussians.opacities >= MIN_ALPHA) & (xx * yy - xy * xy > 0.0)


def project(gaussians: Gaussians, camera: Camera, settings: Settings, *, harmless: bool | Bool[Array, " n"]) -> Splats:
    """Rule 1: EWA projection. Gaussians marked harmless are put on the camera's axis, at z = 1."""
    rotation, translation = camera.world_to_camera[:3, :3], camera.world_to_camera[:3, 3]
    points = gaussians.means @ rotation.T + translation
    points = jnp.where(jnp.broadcast_to(harmless, points.shape[:1])[:, None], jnp.eye(3, dtype=points.dtype)[2], points)
    z = points[:, 2]
    ratios = points[:, :2] / z[:, None]
    focal = jnp.stack([camera.intrinsics[0, 0], camera.intrinsics[1, 1]])
    centre = camera.intrinsics[:2, 2]
    size = jnp.asarray([settings.width, settings.height], points.dtype)
    slopes = jnp.clip(ratios, (-CLAMP_MARGIN * size - centre) / focal, (size + CLAMP_MARGIN * size - centre) / focal)
    jacobian = (focal[:, None] / z[:, None, None]) * jnp.concatenate(
        [jnp.broadcast_to(jnp.eye(2, dtype=points.dtype), (len(z), 2, 2)), -slopes[:, :, None]], axis=-1
    )
    spread = jacobian @ rotation @ _quats_to_matrices(gaussians.quats) * gaussians.scales[:, None, :]
    covariance = spread @ jnp.swapaxes(spread, -1, -2) + settings.blur * jnp.eye(2, dtype=points.dtype)
    xx, xy, yy = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
    conics = jnp.stack([yy, -xy, xx], axis=-1) / (xx * yy - xy * xy)[:, None]
    return Splats(ratios * focal + centre, conics, z, gaussians.opacities, gaussians.features)


def _quats_to_matrices(quats: Float[Array, "n 4"]) -> Float[Array, "n 3 3"]:
    w, x, y, z = (quats / jnp.linalg.norm(quats, axis=-1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return jnp.moveaxis(jnp.asarray(rows), -1, 0)


def _blend_row(splats: Splats, y: Float[Array, ""], width: int):
    """Rules 3 to 5 for one row of pixels; also which Gaussians each tile's part of the row sees."""
    x = jnp.arange(width, dtype=y.dtype) + 0.5
    dx, dy = x[:, None] - splats.means2d[:, 0], y - splats.means2d[:, 1]
    conic = splats.conics.T
    sigma = 0.5 * (conic[0] * dx * dx + conic[2] * dy * dy) + conic[1] * dx * dy
    alpha = jnp.minimum(MAX_ALPHA, splats.opacities * jnp.exp(-sigma))
    visible = alpha >= MIN_ALPHA
    alpha = jnp.where(visible, alpha, 0.0)
    after = jnp.cumprod(1.0 - alpha, axis=1)
    before = jnp.concatenate([jnp.ones_like(after[:, :1]), after[:, :-1]], axis=1)
    weights = jnp.where(after > MIN_TRANSMITTANCE, alpha * before, 0.0)
    padded = jnp.pad(visible, ((0, -width % TILE_SIZE), (0, 0)))
    seen = padded.reshape(-1, TILE_SIZE, visible.shape[1]).any(axis=1)
    return weights @ splats.features, weights.sum(axis=1), weights @ splats.depths, seen


def _count(seen: Bool[Array, "h t n"], finite: Bool[Array, " n"]) -> RenderStats:
    padded = jnp.pad(seen, ((0, -seen.shape[0] % TILE_SIZE), (0, 0), (0, 0)))
    tiles = padded.reshape(-1, TILE_SIZE, *seen.shape[1:]).any(axis=1)
    visible = tiles.any(axis=(0, 1)).sum(dtype=jnp.int32)
    not_finite = (~finite).sum(dtype=jnp.int32)
    return RenderStats(visible, tiles.sum(dtype=jnp.int32), jnp.zeros((), jnp.int32), not_finite)
