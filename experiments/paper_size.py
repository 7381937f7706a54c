"""The paper preset at full size, with random weights: parameters by part, seconds by stage, peak memory.

    python experiments/paper_size.py [--head arkit|flame:PATH]

Writes results/paper_size.json. One photo of noise becomes an avatar of three levels, each of which is then played for a
frame; tracking and matting are not counted. Seconds are the least of some runs, after compilation; CPU seconds add up
all threads. Stages are timed alone: the whole is one program, in which they share work. The built-in head has 5,177
vertices at level 0, FLAME's 5,023.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from record import write_result
from rich.console import Console
from rich.table import Table

from omg_jax.avatar import photo_tokens
from omg_jax.configs import load_preset
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.models.dinov2 import CONFIGS, DinoV2
from omg_jax.models.embedding import harmonic_embedding
from omg_jax.models.omg import OMG, Source, build_model
from omg_jax.models.parameter_counts import backbone_count, parameter_counts, unused_in_release
from omg_jax.models.state import merge_model, split_model
from omg_jax.types import Camera

REPEATS = 5
DISTANCE = 9.2  # world units from the camera to the head
CONFIG = load_preset("paper").model
LODS = tuple(range(CONFIG.num_levels + 1))
SIZE = (CONFIG.image_size, CONFIG.image_size)


def timed(function: Callable, *arguments) -> tuple[Any, dict[str, float]]:
    """(its result, compilation and the least seconds of a run)."""
    start = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compilation, wall, cpu = time.perf_counter() - start, [], []
    for _ in range(REPEATS):
        start, cpu_start = time.perf_counter(), time.process_time()
        result = jax.block_until_ready(compiled(*arguments))
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return result, {"seconds": min(wall), "cpu_seconds": min(cpu), "compilation_seconds": compilation}


def peak_gigabytes() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def frontal_camera() -> Camera:
    """The paper's camera in front of the face."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = DISTANCE
    return Camera(jnp.asarray(pose)[None], portrait_intrinsics(SIZE)[None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", default="arkit", help='"arkit" or "flame:PATH"')
    head = load_head(parser.parse_args().head)
    graphdef, weights, constants = split_model(build_model(CONFIG, head.model, seed=0))
    backbone_graph, backbone_weights, backbone_constants = split_model(DinoV2(CONFIGS[CONFIG.backbone], nnx.Rngs(0)))
    image, matte = jax.random.uniform(jax.random.key(0), (1, *SIZE, 3)), jnp.ones((1, *SIZE))
    params, camera = zero_params(head.model, (1,)), frontal_camera()

    def network(weights: dict) -> OMG:
        return merge_model(graphdef, weights, constants)

    def taps(backbone_weights: dict, image: jax.Array):
        backbone = merge_model(backbone_graph, backbone_weights, backbone_constants)
        return photo_tokens(backbone, image, CONFIG.backbone_size)

    def reconstruct(weights: dict, backbone_weights: dict, image: jax.Array):
        tokens = taps(backbone_weights, image)
        return network(weights).build(Source(image, matte, tokens, params, camera), LODS)

    made, whole = timed(reconstruct, weights, backbone_weights, image)
    memory = {"after_reconstruction_gigabytes": peak_gigabytes()}
    levels = {}
    for lod in LODS:

        def frame(weights: dict, made, lod: int = lod):
            gaussians = network(weights).pose(made, params.shape_params, params, lod)
            return network(weights).render(gaussians, camera, SIZE)[1]

        picture, levels[f"level {lod}"] = timed(frame, weights, made)
        if not bool(jnp.all(jnp.isfinite(picture))):
            raise ValueError(f"the picture of level {lod} is not finite")
        levels[f"level {lod}"]["head_gaussians"] = made.levels[lod].opacities.shape[1]
    memory["peak_gigabytes"] = peak_gigabytes()

    tokens, backbone = timed(taps, backbone_weights, image)
    local, pyramid = timed(lambda w, t: network(w).pyramid(t, image), weights, tokens)
    _, transformer = timed(lambda w, t: network(w).transformer(t), weights, tokens[-1])
    direction, mask = harmonic_embedding(jnp.array([[0.0, 0.0, -1.0]])), jnp.ones((1, *local.shape[1:3]))
    _, plane = timed(lambda w, m: network(w).plane_head(m, direction, image, matte, mask, camera), weights, local)
    stages = {"backbone": backbone, "pyramid": pyramid, "transformer": transformer, "shoulder head": plane}
    result = {
        "preset": "paper",
        "head": head.name,
        "parameters": {"backbone": backbone_count(CONFIG.backbone), **parameter_counts(CONFIG, head.model)},
        "held_by_the_release_and_unused": unused_in_release(CONFIG),
        "reconstruction": whole,
        "stages_alone": stages,
        "frames": levels,
        "memory": memory,
    }
    write_result("paper_size", "python experiments/paper_size.py", result)
    table = Table("", "seconds", "CPU seconds")
    for name, row in {"reconstruction": whole, **stages, **levels}.items():
        table.add_row(name, f"{row['seconds']:.2f}", f"{row['cpu_seconds']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
