"""Builds the native extension (everything else about the package stands in pyproject.toml).

The CPU kernels are compiled once per instruction set (baseline, AVX2, AVX-512) from the same sources and chosen at run
time.
"""

import importlib.util
import platform
from pathlib import Path

import pybind11
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# No contraction of a * b + c: the kernels say fma where they mean it, so a formula gives the same bits wherever it is
# inlined. GCC 12 warns falsely about its own AVX-512 headers (-Wuninitialized). -g0 undoes Python's own -g.
CXX_FLAGS = ["-std=c++17", "-O3", "-g0", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-ffp-contract=off"]
CXX_FLAGS += ["-Wall", "-Wno-uninitialized"]
SIMD_FLAGS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma"],
}


def xla_include_dir() -> str:
    """The XLA FFI headers that come with jaxlib, found without importing it."""
    spec = importlib.util.find_spec("jaxlib")
    if spec is None or spec.origin is None:
        raise SystemExit("jaxlib is needed to build omg_jax's native kernels: pip install 'jaxlib>=0.10'")
    return str(Path(spec.origin).parent / "include")


class BuildNative(build_ext):
    """Compiles kernels/cpu/*.cc once per instruction set and kernels/ffi/*.cc once, then links one module."""

    def build_extension(self, ext):
        compiler, objects = self.compiler, []
        levels = SIMD_FLAGS if platform.machine() in ("x86_64", "AMD64") else {"baseline": []}
        for level, flags in levels.items():
            objects += compiler.compile(
                sorted(str(p) for p in Path("kernels/cpu").glob("*.cc")),
                output_dir=str(Path(self.build_temp) / level),
                macros=[("OMG_SIMD", level)],
                include_dirs=["kernels/include"],
                extra_postargs=CXX_FLAGS + flags,
            )
        macros = [("OMG_HAVE_X86_LEVELS", "1")] if len(levels) > 1 else []
        objects += compiler.compile(
            sorted(str(p) for p in Path("kernels/ffi").glob("*.cc")),
            output_dir=self.build_temp,
            macros=macros,
            include_dirs=["kernels/include", "kernels", *ext.include_dirs],
            extra_postargs=[*CXX_FLAGS, "-isystem", xla_include_dir()],
        )
        target = self.get_ext_fullpath(ext.name)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        compiler.link_shared_object(objects, target, extra_postargs=["-Wl,--exclude-libs,ALL"], target_lang="c++")


setup(
    ext_modules=[Extension("omg_jax._native", sources=[], include_dirs=[pybind11.get_include()])],
    cmdclass={"build_ext": BuildNative},
)
