"""Builds the CUDA sources for the CPU (kernels/emulation) and calls them with numpy arrays.

Imports nothing but numpy, so that it also runs where the sanitizers watch the whole process.
"""

import contextlib
import ctypes
import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np

KERNELS = Path(__file__).parents[2] / "kernels"
MASK_BYTES = 8192  # so little that most pictures are drawn in several bands
SCAN_WORDS = 2  # so few that a tile's row of the mask takes many scans
FLAGS = ["-std=c++17", "-O2", "-g", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-unused-parameter"]


class Sizes(ctypes.Structure):
    """As in kernels/emulation/library.cc."""

    _fields_ = [(name, ctypes.c_int64) for name in ("views", "gaussians", "channels", "height", "width")] + [
        ("shared_camera", ctypes.c_int32),
        ("near", ctypes.c_float),
        ("blur", ctypes.c_float),
    ]


def build(target: Path, *extra_flags: str) -> None:
    """Compiles the kernels and their emulation into one shared library."""
    sources = [*sorted((KERNELS / "cuda").glob("*.cu")), *sorted((KERNELS / "emulation").glob("*.cc"))]
    includes = [f"-I{KERNELS}", f"-I{KERNELS / 'include'}"]
    command = ["g++", *FLAGS, *extra_flags, "-DOMG_EMULATION", f"-DOMG_MASK_BYTES={MASK_BYTES}"]
    command += [f"-DOMG_SCAN_WORDS={SCAN_WORDS}"]
    command += ["-fPIC", "-shared", *includes, "-x", "c++"]
    subprocess.run([*command, *map(str, sources), "-o", str(target)], check=True)


@functools.cache
def emulated() -> ctypes.CDLL:
    """The emulation's library, built once per process."""
    folder = tempfile.TemporaryDirectory(prefix="omg-emulation-")
    path = Path(folder.name) / "emulation.so"
    build(path)
    loaded = load(path)
    loaded.folder = folder  # removed with the library
    return loaded


def load(path: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(path))
    for name in ("forward", "backward", "zbuffer", "stray_barrier", "stray_ballot", "stray_write"):
        getattr(loaded, f"omg_emulated_{name}").restype = ctypes.c_char_p
    return loaded


def call(name: str, *arguments) -> None:
    """Calls a function of the library; RuntimeError with what the emulation found."""
    error = getattr(emulated(), f"omg_emulated_{name}")(*arguments)
    if error is not None:
        raise RuntimeError(error.decode())


@contextlib.contextmanager
def without_steps():
    """Inside, thresholds are so low that pictures have no visible steps: gradients are finite differences then."""
    global emulated
    usual = emulated
    with tempfile.TemporaryDirectory(prefix="omg-emulation-") as folder:
        path = Path(folder) / "smooth.so"
        build(path, "-DOMG_MIN_ALPHA=1e-9f", "-DOMG_MIN_TRANSMITTANCE=0.0f")
        smooth = load(path)
        emulated = lambda: smooth  # noqa: E731
        try:
            yield
        finally:
            emulated = usual


@contextlib.contextmanager
def reversed_blocks():
    """Inside, the blocks of every kernel run from the last to the first."""
    emulated().omg_emulated_reverse_blocks(1)
    try:
        yield
    finally:
        emulated().omg_emulated_reverse_blocks(0)


def address(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def addresses(arrays) -> ctypes.Array:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def prepare(gaussians, camera, size: tuple[int, int], near: float, blur: float):
    """(arrays as the library takes them, their sizes). At most one batch dimension, for the Gaussians at least."""
    arrays = [np.ascontiguousarray(a, np.float32) for a in (*gaussians, *camera)]
    views = arrays[0].shape[0] if arrays[0].ndim == 3 else 1
    shared = arrays[5].shape[:-2] in ((), (1,)) and arrays[6].shape[:-2] in ((), (1,))
    assert shared or all(a.shape[0] == views for a in arrays[5:]), "share both arrays of the camera or none"
    n, c = arrays[4].shape[-2:]
    return arrays, Sizes(views, n, c, *size, shared, near, blur)


def forward(gaussians, camera, size: tuple[int, int], near: float = 0.01, blur: float = 0.3):
    """features, alpha, depth, transmittance, last, stats of the emulated CUDA kernels."""
    arrays, sizes = prepare(gaussians, camera, size, near, blur)
    batch = arrays[0].shape[:-2]
    images = [np.full((*batch, *size, *tail), np.nan, np.float32) for tail in ((sizes.channels,), (), (), ())]
    last, stats = np.full((*batch, *size), -1, np.int32), np.full((*batch, 4), -1, np.int32)
    call("forward", ctypes.byref(sizes), addresses(arrays), addresses(images), address(last), address(stats))
    return (*images, last, stats)


def backward(
    gaussians,
    camera,
    size: tuple[int, int],
    outputs: tuple[np.ndarray, ...],
    cotangents: tuple[np.ndarray, ...],
    *,
    deterministic: bool = True,
    near: float = 0.01,
    blur: float = 0.3,
):
    """The gradient with respect to the Gaussians' fields, then to the camera's, one per view.

    outputs: what forward returned; cotangents: of its first three images.
    """
    arrays, sizes = prepare(gaussians, camera, size, near, blur)
    images = [np.ascontiguousarray(a, np.float32) for a in (outputs[3], *cotangents)]
    batch = arrays[0].shape[:-2]
    shapes = [a.shape for a in arrays[:5]] + [batch + a.shape[-2:] for a in arrays[5:]]
    gradients = [np.full(shape, np.nan, np.float32) for shape in shapes]
    last = np.ascontiguousarray(outputs[4])
    flag = ctypes.c_int32(deterministic)
    call(
        "backward", ctypes.byref(sizes), addresses(arrays), addresses(images), address(last), flag, addresses(gradients)
    )
    return tuple(gradients)


def zbuffer(vertices: np.ndarray, faces: np.ndarray, camera, size: tuple[int, int], near: float = 0.01):
    """(depth, face_index) of the emulated CUDA kernels."""
    arrays = [np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32)]
    arrays += [np.ascontiguousarray(a, np.float32) for a in camera]
    depth, face_index = np.full(size, np.nan, np.float32), np.full(size, -7, np.int32)
    counts = [ctypes.c_int64(n) for n in (len(vertices), len(faces), *size)]
    call("zbuffer", *counts, ctypes.c_float(near), *map(address, (*arrays, depth, face_index)))
    return depth, face_index
