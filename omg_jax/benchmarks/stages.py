"""Parts of the network's work, each as a program of its own: its time, and what XLA counts of it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from omg_jax.benchmarks.clock import least_cpu_ms, least_queued_ms, least_wall_ms
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.types import Camera

DISTANCE = 9.2  # world units from the camera to a stand-in's head


def grey_bust(size: int) -> tuple[Float[np.ndarray, "h w"], Camera]:
    """A made-up portrait of so many pixels a side: its matte, and a camera that looks at it from the front."""
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    pose = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = DISTANCE
    matte = ((rows**2 + columns**2 < 0.16) | (rows > 0.2)).astype(np.float32)
    return matte, Camera(pose, np.asarray(portrait_intrinsics((size, size))))


def random_model(make: Callable[[], nnx.Module]) -> nnx.Module:
    """A module with random weights, none of which takes a compilation."""
    graphdef, shapes, constants = split_shapes(make)
    rng = np.random.default_rng(0)
    weights = jax.tree.map(lambda x: jnp.asarray(rng.normal(scale=0.05, size=x.shape), x.dtype), shapes)
    return merge_model(graphdef, weights, constants)


def stage(program: Callable, arguments: tuple, repeats: int) -> dict[str, float]:
    """Milliseconds of a jitted program, and its floor: operations, bytes moved, bytes of memory (XLA's counts)."""
    compiled = program.lower(*arguments).compile()
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()

    def run():
        return compiled(*arguments)

    on_cpu = {"cpu_ms": least_cpu_ms, "wall_ms": least_wall_ms}
    clocks = on_cpu if jax.default_backend() == "cpu" else {"wall_ms": least_queued_ms}
    times = {name: clock(run, jax.block_until_ready, repeats) for name, clock in clocks.items()}
    return times | {
        "gflop": 1e-9 * max(cost.get("flops", 0.0), 0.0),
        "moved_mb": 1e-6 * max(cost.get("bytes accessed", 0.0), 0.0),
        "memory_mb": 1e-6 * (memory.temp_size_in_bytes + memory.output_size_in_bytes),
    }


def without(whole: dict[str, float], *parts: dict[str, float]) -> dict[str, float]:
    """What a program takes beyond its parts; memory, which parts share, is left out."""
    return {name: whole[name] - sum(part[name] for part in parts) for name in whole if name != "memory_mb"}
