"""What can be told of the CUDA build without a GPU: registers, memory errors, and the program that XLA would run."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax import native
from omg_jax.geometry.visibility import zbuffer
from omg_jax.splat import rasterize
from tests.kernels.emulation import KERNELS, build
from tests.kernels.splat_scenes import cloud, portrait_camera, random_cotangents
from tests.kernels.test_zbuffer import make_camera, triangle_soup

ROOT = Path(__file__).parents[2]
NVCC = shutil.which("nvcc") or next((str(p) for p in [Path("/usr/local/cuda/bin/nvcc")] if p.is_file()), None)
FLAGS = ["-std=c++17", "-O3", "-fmad=false", "-Xptxas", "-v", f"-I{KERNELS}", f"-I{KERNELS / 'include'}"]


@pytest.mark.skipif(NVCC is None, reason="no nvcc on this machine")
@pytest.mark.parametrize("architecture", ["80", "90"])
@pytest.mark.parametrize("source", ["blend_forward.cu", "blend_backward.cu"])
def test_blending_keeps_its_state_in_registers(source, architecture, tmp_path):
    target = ["-gencode", f"arch=compute_{architecture},code=sm_{architecture}", "-o", tmp_path / "kernel.o"]
    command = [NVCC, "-c", *FLAGS, *target, KERNELS / "cuda" / source]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", told)
    assert len(frames) >= 4, "one kernel for 4, 8, 16 and 32 channels at least"
    assert set(frames) == {("0", "0", "0")}


SANITIZED = """
import pickle
from pathlib import Path
from tests.kernels import emulation

sanitized = emulation.load(Path({library!r}))
emulation.emulated = lambda: sanitized
rasterized, mesh = pickle.loads(Path({scenes!r}).read_bytes())
for *scene, cotangents in rasterized:
    outputs = emulation.forward(*scene)
    for deterministic in (True, False):
        emulation.backward(*scene, outputs, cotangents, deterministic=deterministic)
emulation.zbuffer(*mesh)
print("clean", flush=True)
emulation.call("stray_write")
print("a write into another's memory was not seen")
"""


def sanitized_scenes() -> bytes:
    """Small scenes of numpy arrays in plain lists: the watched process loads no jax."""
    scenes = []
    for count, channels, size in [(150, 3, (33, 47)), (60, 36, (20, 16)), (0, 3, (5, 5))]:
        arrays = [list(map(np.asarray, part)) for part in (cloud(count, channels, scale=0.1), portrait_camera(*size))]
        scenes.append((*arrays, size, random_cotangents(*size, channels)))
    mesh = (*triangle_soup(0, 40, 1.0), list(map(np.asarray, make_camera(20.0, (30, 31)))), (30, 31))
    return pickle.dumps((scenes, mesh))


def test_the_kernels_pass_the_sanitizers(tmp_path):
    """Every read and write of every emulated thread under AddressSanitizer and UndefinedBehaviorSanitizer."""
    runtime = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    if not Path(runtime).is_file():
        pytest.skip("g++ has no AddressSanitizer runtime on this machine")
    library, scenes = tmp_path / "sanitized.so", tmp_path / "scenes.pickle"
    build(library, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-O1")
    scenes.write_bytes(sanitized_scenes())
    environment = os.environ | {
        "LD_PRELOAD": str(Path(runtime).resolve()),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "PYTHONPATH": str(ROOT),
    }
    script = SANITIZED.format(library=str(library), scenes=str(scenes))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.stdout.strip() == "clean", done.stdout + done.stderr[:3000]
    assert "use-after-poison" in done.stderr and "stray_write_kernel" in done.stderr


@pytest.fixture
def with_cuda():
    if native.load().cuda_architectures is None:
        pytest.skip("this build of the native library has no CUDA kernels")


def test_a_gpus_program_calls_the_kernels(with_cuda):
    """The same op, lowered for CUDA on a machine without one."""
    gaussians, camera = cloud(20, 3), portrait_camera(32, 32)
    gradient = jax.jit(jax.grad(lambda g: rasterize(g, camera, (32, 32)).features.sum()))
    program = gradient.trace(gaussians).lower(lowering_platforms=("cuda",)).as_text()
    assert "omg_rasterize_forward" in program and "omg_rasterize_backward" in program
    vertices, faces = triangle_soup(0, 4, 1.0)
    mesh = jax.jit(lambda v: zbuffer(v, jnp.asarray(faces), make_camera(20.0, (8, 8)), (8, 8)))
    assert "omg_zbuffer" in mesh.trace(vertices).lower(lowering_platforms=("cuda",)).as_text()
