"""What an evaluation ran on: all that results.json leaves out, so that equal runs have equal bytes there."""

import datetime
import functools
import hashlib
import importlib.metadata
import platform
import statistics
import subprocess
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("omg_jax", "jax", "jaxlib", "flax", "numpy", "scipy", "pillow", "opencv-python-headless", "ai-edge-litert")


def circumstances(command: str, records: list[dict[str, Any]], methods: dict[str, dict[str, str]]) -> dict[str, Any]:
    """run.json: command, commit, date, device, packages; seconds a frame of the network's methods, and peak memory.

    records: of every pair. Seconds are medians over pairs of the frames after a pair's first, which waits for the
    reconstruction, and in the first pair for the compiler.
    """
    seconds = {}
    for name, facts in methods.items():
        taken = [record["seconds_per_frame"][name] for record in records if name in record["seconds_per_frame"]]
        if facts["kind"] == "network" and taken:
            seconds[name] = statistics.median(taken)
    return {
        "command": command,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "device": device(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := package_version(name))},
        "seconds_per_frame": seconds,
        **peaks([record["memory"] for record in records]),
    }


def peaks(memories: list[dict[str, float]]) -> dict[str, float]:
    """The largest of each number; an evaluation that went on on another kind of device has other ones too."""
    names = sorted({name for memory in memories for name in memory})
    return {name: max(memory[name] for memory in memories if name in memory) for name in names}


@functools.cache
def code_sha256() -> str:
    """The sha256 of the package's Python files: numbers of other code are not gone on with."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def device() -> str:
    """What JAX computes on: the GPU's name, or the processor's."""
    if jax.default_backend() != "cpu":
        return jax.devices()[0].device_kind
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """The commit of the tree that the package is imported from, with "-dirty" where its code or assets differ from it.

    "unknown" where the package is in no tree, or in that of something else.
    """
    root = Path(__file__).parents[2]

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)
        changed = git("status", "--porcelain", "--", "omg_jax", "kernels", "configs")
        return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def package_version(name: str) -> str | None:
    """An installed package's version, None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
