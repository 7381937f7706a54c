"""splax (PyPI, NVIDIA Warp in JAX) as a contestant: three channels, without depth."""

import jax
import jax.numpy as jnp
import splax

from omg_jax.benchmarks.contestants import Contestant, Scene, compiled

NUM_CHANNELS = 3


def splax_contestant(scene: Scene) -> Contestant:
    """splax.project and splax.rasterize, which take activated Gaussians as ours does. Its own memory is not known."""
    intrinsics = scene.camera.intrinsics[0]
    focal = float(intrinsics[0, 0]), float(intrinsics[1, 1])
    centre = float(intrinsics[0, 2]), float(intrinsics[1, 2])
    shape = scene.size, scene.size

    def render_view(gaussians, world_to_camera):
        means, quats, scales, opacities, features = gaussians
        points, depths, radii, conics, _, tile_ends = splax.project(
            means, scales, quats, world_to_camera,
            opacities=opacities, img_shape=shape, f=focal, c=centre, clip_thresh=0.01,
        )  # fmt: skip
        return splax.rasterize(
            features, opacities, jnp.zeros(NUM_CHANNELS), points, depths, radii, conics, tile_ends, img_shape=shape
        )

    def render(gaussians, camera):
        return jax.vmap(render_view)(gaussians, camera.world_to_camera)

    contestant = compiled(f"splax {splax.__version__}", render, scene)
    return contestant._replace(forward_memory=None, both_memory=None)
