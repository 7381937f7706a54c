"""The rasterizer compiled for each instruction set, and on one thread, in other processes: both are fixed at load."""

import os
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from omg_jax import native
from omg_jax.splat import rasterize
from tests.kernels.splat_scenes import cloud, dot, portrait_camera, random_cotangents
from tests.tolerances import EXACT, FLIPPED_PIXELS, RENDER_GRADIENTS, RENDERED_PIXELS

SIZE = (70, 61)
CHANNELS = 20
# (count, channels) of a small and a crowded scene: the number of splats in a tile decides which loops run.
SCENES = {"few": 30, "many": 1500}


def render_all() -> dict[str, np.ndarray]:
    """Images and gradients of every scene."""
    arrays = {}
    for name, count in SCENES.items():
        gaussians, camera = cloud(count, CHANNELS), portrait_camera(*SIZE)
        output = rasterize(gaussians, camera, SIZE)
        gradient = jax.grad(lambda g, c=camera: dot(rasterize(g, c, SIZE), random_cotangents(*SIZE, CHANNELS)))(
            gaussians
        )
        arrays |= {f"{name} image {field}": np.asarray(getattr(output, field)) for field in output._fields[:3]}
        arrays |= {f"{name} gradient {field}": np.asarray(getattr(gradient, field)) for field in gradient._fields}
    return arrays


SCRIPT = """
import os, sys
import numpy as np
if sys.argv[2] == "one thread":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from omg_jax import native
from tests.kernels.test_rasterizer_levels import render_all
np.savez(sys.argv[1], level=native.load().simd_level(), **render_all())
"""


def render_elsewhere(tmp_path, level: str | None, threads: str = "all threads") -> dict[str, np.ndarray]:
    environment = os.environ | ({"OMG_SIMD_LEVEL": level} if level else {})
    path = tmp_path / "rendered.npz"
    subprocess.run([sys.executable, "-c", SCRIPT, str(path), threads], env=environment, check=True)
    return dict(np.load(path))


@pytest.mark.parametrize("level", ["baseline", "avx2", "avx512"])
def test_instruction_sets_agree(level, tmp_path):
    theirs = render_elsewhere(tmp_path, level)
    if theirs["level"] != level:
        pytest.skip(f"this processor has no {level}")
    for name, ours in render_all().items():
        if "image" in name:
            off = ~np.isclose(theirs[name], ours, **RENDERED_PIXELS)
            assert off.mean() <= FLIPPED_PIXELS, name
        else:
            assert np.linalg.norm(theirs[name] - ours) <= RENDER_GRADIENTS * np.linalg.norm(ours), name


def test_one_thread_gives_the_same_bits_as_all(tmp_path):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot bind a process to one processor")
    theirs = render_elsewhere(tmp_path, None, "one thread")
    for name, ours in render_all().items():
        np.testing.assert_allclose(theirs[name], ours, **EXACT)


def test_wide_instructions_stay_in_their_own_functions():
    """A function merged between instruction sets by the linker would crash an older processor."""
    if shutil.which("objdump") is None or native.load().simd_level() == "baseline":
        pytest.skip("needs binutils' objdump and an x86-64 build")
    code = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", native.load().__file__], capture_output=True, text=True
    )
    function, users = "", {"ymm": set(), "zmm": set()}
    for line in code.stdout.splitlines():
        if match := re.match(r"[0-9a-f]+ <(.*)>:", line):
            function = match.group(1)
        for register in users:
            if f"%{register}" in line:
                users[register].add(function)
    assert users["zmm"] and all("avx512" in name for name in users["zmm"])
    assert users["ymm"] and all("avx" in name for name in users["ymm"])
