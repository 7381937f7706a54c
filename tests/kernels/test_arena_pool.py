"""Temporary memory of the native kernels: kept between calls, given back without allocating."""

import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_arenas_are_kept_and_given_back_without_allocating(tmp_path):
    source, program = Path(__file__).with_name("arena_pool_check.cc"), tmp_path / "check"
    includes = [f"-I{folder}" for folder in (KERNELS, KERNELS / "include")]
    subprocess.run(["c++", "-std=c++17", "-Wall", *includes, source, "-o", program, "-pthread"], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
