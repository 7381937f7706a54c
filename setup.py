"""Builds the native extension (everything else about the package stands in pyproject.toml).

The CPU kernels are compiled once per instruction set (baseline, AVX2, AVX-512) from the same sources and chosen at run
time. The CUDA kernels are built in where nvcc is found: below CUDA_HOME, on the PATH, or in /usr/local/cuda. OMG_CUDA=0
leaves them out, OMG_CUDA_ARCHITECTURES="80 90" chooses GPUs (compute capabilities; PTX for the last serves later ones).
"""

import importlib.util
import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
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

# -fmad=false for the same reason as -ffp-contract=off: both passes must see the same alpha.
NVCC_FLAGS = ["-std=c++17", "-O3", "-fmad=false", "-Xcompiler", "-fPIC,-fvisibility=hidden"]
DEFAULT_ARCHITECTURES = "80 90"


def find_nvcc() -> Path | None:
    """The CUDA compiler, if there is one and it is wanted."""
    if os.environ.get("OMG_CUDA") == "0":
        return None
    homes = [os.environ.get("CUDA_HOME"), "/usr/local/cuda"]
    candidates = [Path(home) / "bin" / "nvcc" for home in homes if home]
    on_path = shutil.which("nvcc")
    if on_path:
        candidates.insert(len(candidates) - 1, Path(on_path))
    return next((path for path in candidates if path.is_file()), None)


def cuda_home(nvcc: Path) -> Path:
    """The toolkit that an nvcc belongs to; nvcc may be a script that calls the real one."""
    printed = subprocess.run([nvcc, "--dryrun", "-c", "x.cu"], capture_output=True, text=True).stderr
    tops = [line.removeprefix("#$ TOP=") for line in printed.splitlines() if line.startswith("#$ TOP=")]
    return Path(tops[0]) if tops else nvcc.parent.parent


def xla_include_dir() -> str:
    """The XLA FFI headers that come with jaxlib, found without importing it."""
    spec = importlib.util.find_spec("jaxlib")
    if spec is None or spec.origin is None:
        raise SystemExit("jaxlib is needed to build omg_jax's native kernels: pip install 'jaxlib>=0.10'")
    return str(Path(spec.origin).parent / "include")


class BuildNative(build_ext):
    """Compiles kernels/cpu once per instruction set, kernels/ffi and kernels/cuda once, and links one module."""

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
        sources = sorted(str(p) for p in Path("kernels/ffi").glob("*.cc") if p.name != "cuda.cc")
        flags, libraries = [*CXX_FLAGS, "-isystem", xla_include_dir()], []
        nvcc = find_nvcc()
        if nvcc:
            home, architectures = cuda_home(nvcc), os.environ.get("OMG_CUDA_ARCHITECTURES") or DEFAULT_ARCHITECTURES
            objects += self.compile_cuda(nvcc, architectures.split())
            macros.append(("OMG_CUDA_ARCHITECTURES", f'"{architectures}"'))
            sources.append("kernels/ffi/cuda.cc")
            flags += ["-isystem", str(home / "include")]
            folders = [f"-L{home / name}" for name in ("lib64", "lib", "targets/x86_64-linux/lib")]
            libraries = [*folders, "-Wl,-Bstatic", "-lcudart_static", "-Wl,-Bdynamic", "-ldl", "-lrt", "-lpthread"]
        objects += compiler.compile(
            sources,
            output_dir=self.build_temp,
            macros=macros,
            include_dirs=["kernels/include", "kernels", *ext.include_dirs],
            extra_postargs=flags,
        )
        target = self.get_ext_fullpath(ext.name)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        postargs = [*libraries, "-Wl,--exclude-libs,ALL"]
        compiler.link_shared_object(objects, target, extra_postargs=postargs, target_lang="c++")

    def compile_cuda(self, nvcc: Path, architectures: list[str]) -> list[str]:
        """Objects of kernels/cuda/*.cu for these compute capabilities, two compilers at a time."""
        targets = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in architectures]
        targets.append(f"-gencode=arch=compute_{architectures[-1]},code=compute_{architectures[-1]}")
        folder = Path(self.build_temp) / "cuda"
        folder.mkdir(parents=True, exist_ok=True)

        def compile_one(source: Path) -> str:
            target = str(folder / f"{source.stem}.o")
            includes = ["-Ikernels", "-Ikernels/include"]
            if subprocess.run([nvcc, "-c", *NVCC_FLAGS, *targets, *includes, source, "-o", target]).returncode:
                raise SystemExit(
                    f"{nvcc} could not compile {source} for compute capability {', '.join(architectures)}. CUDA 11.8 "
                    "or newer is needed; OMG_CUDA=0 builds without GPU kernels, OMG_CUDA_ARCHITECTURES chooses GPUs"
                )
            return target

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(compile_one, sorted(Path("kernels/cuda").glob("*.cu"))))


setup(
    ext_modules=[Extension("omg_jax._native", sources=[], include_dirs=[pybind11.get_include()])],
    cmdclass={"build_ext": BuildNative},
)
