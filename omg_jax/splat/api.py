"""The Gaussian rasterizer: one differentiable op over native kernels."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from omg_jax import native
from omg_jax.types import Camera, Gaussians, RenderOutput, RenderStats


def rasterize(
    gaussians: Gaussians,
    camera: Camera,
    image_size: tuple[int, int],
    *,
    near: float = 0.01,
    blur: float = 0.3,
    deterministic: bool = True,
) -> RenderOutput:
    """Renders Gaussians by sorted alpha blending; differentiable with respect to ``gaussians`` and ``camera``.

    The rules are gsplat's ("classic" mode). For one image:

    1. A Gaussian with mean m, rotation R (of its normalised quaternion) and scales s is projected with the camera's
       world-to-camera rotation W: its centre exactly; its covariance through the Jacobian J of the projection at the
       centre (EWA splatting, Zwicker et al. 2001), ``cov = A A^T + blur I`` with ``A = J W R diag(s)``. In J, the
       ratios x/z and y/z are clamped to what the image covers plus 15 % of its size on every side.
    2. It is culled, and gets zero gradient, if its depth z is below ``near``, its opacity is below 1/255, ``det(cov)``
       is not positive, or any of its inputs (or its covariance in pixels) is infinite or not a number. With a camera
       that is not finite all are culled. ``stats.num_not_finite`` counts those that have an input that is not finite.
    3. At a pixel with centre p (the centre of pixel (0, 0) is (0.5, 0.5)) its alpha is
       ``min(0.99, opacity * exp(-d^T cov^-1 d / 2))``, with d from its projected centre to p. An alpha below 1/255
       counts as 0. Where 0.99 clamps, no gradient passes through alpha.
    4. A pixel blends front to back, by z, then by index: ``weight = alpha * T``, with T the product of ``1 - alpha``
       over the Gaussians in front. The Gaussian that would bring T to 1e-4 or below is left out, and so are all behind.
    5. features = sum of weight x features; depth = sum of weight x z; alpha = 1 - T. There is no background: over
       colour c, the picture is ``features + (1 - alpha)[..., None] * c``.

    Works under jit, grad, vmap, pmap and shard_map; only first derivatives exist. Spread a batch over devices with pmap
    or shard_map: under jit, sharded inputs would be gathered on every device. Runs on CPUs; the CUDA kernels behind the
    same call were tested in emulation only. The result is the same to the last bit in every run on one kind of device,
    for any number of threads, unless ``deterministic`` is False. At most 6 batch dimensions; a GPU draws at most 65535
    pictures in one call, of 2^31 - 1 Gaussians in all.

    Args:
        gaussians: float32, with leading batch dimensions ``*b``; any number of Gaussians, also none, and of channels,
            at least one. Quaternions need not be of unit length.
        camera: without skew; its leading dimensions broadcast against ``*b``: one camera for all, a batch of cameras
            for one set of Gaussians, shared intrinsics.
        image_size: (height, width) in pixels.
        near: Gaussians whose camera z is less are culled; world units.
        blur: variance added to both image axes, in pixels^2. It keeps every Gaussian about a pixel wide at least.
        deterministic: False lets a GPU add up gradients as floats, in whatever order its threads come; True, in fixed
            point, whose sums do not depend on the order. CPUs are always deterministic.

    Raises:
        ValueError: shapes, dtypes or settings do not fit, or the camera is not finite (outside jit, where looking at
            it waits for the device). Under jit a camera has no values yet: a picture of one that is not finite is
            empty, and its stats count every Gaussian as not finite.
        ImportError: the native library is not built. ``rasterize_reference``, the slow specification in plain JAX, is
            never chosen silently.
    """
    settings = make_settings(image_size, near, blur, deterministic)
    gaussians, camera = broadcast_batch(gaussians, camera)
    if gaussians.means.dtype != jnp.float32:
        raise ValueError(
            f"rasterize: expected float32 Gaussians, got {gaussians.means.dtype}; cast them, or use rasterize_reference"
        )
    gaussians, camera = native.vary_together((gaussians, camera))
    return _render(gaussians, camera, settings)


class Settings(NamedTuple):
    """The static arguments of a rasterization."""

    height: int
    width: int
    near: float
    blur: float
    deterministic: bool


def make_settings(image_size: tuple[int, int], near: float, blur: float, deterministic: bool = True) -> Settings:
    """Checks the static arguments."""
    height, width = (int(n) for n in image_size)
    if height < 1 or width < 1:
        raise ValueError(f"image_size: expected (height, width) of at least 1 pixel each, got {tuple(image_size)}")
    if not (near > 0 and np.isfinite(near)):
        raise ValueError(f"near: expected a positive distance in world units, got {near}")
    if not (blur >= 0 and np.isfinite(blur)):
        raise ValueError(f"blur: expected a variance of at least 0 pixels^2, got {blur}")
    return Settings(height, width, float(near), float(blur), bool(deterministic))


def broadcast_batch(gaussians: Gaussians, camera: Camera) -> tuple[Gaussians, Camera]:
    """Checks shapes and dtypes, and gives everything the same number of batch dimensions.

    Those of the Gaussians become the result's; those of the camera have size 1 where it is shared.
    """
    gaussians = Gaussians(*(jnp.asarray(a) for a in gaussians))
    camera = Camera(*(jnp.asarray(a) for a in camera))
    if gaussians.features.ndim < 2 or gaussians.features.shape[-1] < 1:
        raise ValueError(f"features: expected [*b, n, c] with at least one channel, got {gaussians.features.shape}")
    rows = gaussians.features.shape[:-1]
    tails = {"means": (3,), "quats": (4,), "scales": (3,), "opacities": (), "features": gaussians.features.shape[-1:]}
    for name, tail in tails.items():
        array = getattr(gaussians, name)
        if array.shape != rows + tail:
            raise ValueError(
                f"{name}: expected shape {rows + tail} to fit features {gaussians.features.shape}, got {array.shape}"
            )
        if array.dtype != gaussians.means.dtype:
            raise ValueError(f"{name}: expected {gaussians.means.dtype} like means, got {array.dtype}")
    for name, size in {"world_to_camera": 4, "intrinsics": 3}.items():
        array = getattr(camera, name)
        if array.shape[-2:] != (size, size):
            raise ValueError(f"camera.{name}: expected shape [*b, {size}, {size}], got {array.shape}")
    batches = rows[:-1], camera.world_to_camera.shape[:-2], camera.intrinsics.shape[:-2]
    try:
        batch = np.broadcast_shapes(*batches)
    except ValueError:
        raise ValueError(
            f"rasterize: batch dimensions of Gaussians, world_to_camera and intrinsics do not broadcast: {batches}"
        ) from None
    keep = len(rows) - 1
    gaussians = Gaussians(*(jnp.broadcast_to(a, batch + a.shape[keep:]) for a in gaussians))
    _check_finite(camera)
    pad = len(batch) + 2
    camera = Camera(*(a.astype(gaussians.means.dtype).reshape((1,) * (pad - a.ndim) + a.shape) for a in camera))
    return gaussians, camera


def _check_finite(camera: Camera) -> None:
    for name, array in camera._asdict().items():
        if isinstance(array, jax.core.Tracer) or not array.is_fully_addressable:
            continue
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            position, value = tuple(map(int, bad[0])), np.asarray(array)[tuple(bad[0])]
            raise ValueError(f"camera.{name}: expected finite numbers, got {value} at {position}")


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _render(gaussians: Gaussians, camera: Camera, settings: Settings) -> RenderOutput:
    return _render_forward(gaussians, camera, settings)[0]


def _render_forward(gaussians: Gaussians, camera: Camera, settings: Settings):
    batch, channels = gaussians.features.shape[:-2], gaussians.features.shape[-1]
    image = (*batch, settings.height, settings.width)
    results = (
        jax.ShapeDtypeStruct((*image, channels), jnp.float32),  # features
        jax.ShapeDtypeStruct(image, jnp.float32),  # alpha
        jax.ShapeDtypeStruct(image, jnp.float32),  # depth
        jax.ShapeDtypeStruct(image, jnp.float32),  # transmittance
        jax.ShapeDtypeStruct(image, jnp.int32),  # last contributor
        jax.ShapeDtypeStruct((*batch, len(RenderStats._fields)), jnp.int32),
    )
    features, alpha, depth, transmittance, last, stats = native.call(
        "omg_rasterize_forward", results, *gaussians, *camera, **_attributes(settings)
    )
    output = RenderOutput(features, alpha, depth, RenderStats(*jnp.moveaxis(stats, -1, 0)))
    return output, (gaussians, camera, transmittance, last)


def _render_backward(settings: Settings, residuals, cotangents: RenderOutput):
    gaussians, camera, transmittance, last = residuals
    batch = gaussians.means.shape[:-2]
    shapes = [a.shape for a in gaussians] + [batch + a.shape[-2:] for a in camera]
    results = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    images = (transmittance, last, cotangents.features, cotangents.alpha, cotangents.depth)
    attributes = _attributes(settings) | {"deterministic": np.int32(settings.deterministic)}
    gradients = native.call("omg_rasterize_backward", results, *gaussians, *camera, *images, **attributes)
    of_gaussians, of_views = gradients[: len(gaussians)], gradients[len(gaussians) :]
    return Gaussians(*of_gaussians), Camera(*map(_sum_shared, of_views, camera))


def _sum_shared(gradient: jax.Array, shared: jax.Array) -> jax.Array:
    """Sums over the views that share an array."""
    axes = tuple(i for i, (views, size) in enumerate(zip(gradient.shape, shared.shape, strict=True)) if views != size)
    return gradient.sum(axes, keepdims=True)


def _attributes(settings: Settings) -> dict[str, np.generic]:
    return {"near": np.float32(settings.near), "blur": np.float32(settings.blur)}


_render.defvjp(_render_forward, _render_backward)
