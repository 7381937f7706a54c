"""Checks and measures this tree on a machine with an NVIDIA GPU and without a network: make gpu-check.

    python experiments/gpu_check.py build|tests|bench|peers

Each part takes minutes, says in one line why it is skipped, and writes a table and JSON under experiments/results:
build (gpu_build), tests with the sanitizers (gpu_tests), bench (rasterizer_gpu, avatar_gpu), peers (rasterizer_peers).
The tree's root must be on PYTHONPATH; the Makefile sees to it.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
TOOL_SECONDS, TEST_SECONDS, BUILD_SECONDS, START_SECONDS = 90, 220, 540, 120
REPEATS = 5
DONE = "small case done"
GPU_NAME = "import jax; print(jax.devices('gpu')[0].device_kind)"
KERNELS = "import json; from omg_jax import native; print(json.dumps(native.load().cuda_architectures))"


def run_text(*command: str, seconds: float, **environment: str) -> tuple[int, str]:
    """Runs a command in the root: (exit status, what it printed). One that takes too long ends with 124.

    So do then all processes that it started: they would hold the GPU.
    """
    running = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        printed, _ = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        printed, _ = running.communicate()
        return 124, f"{printed}\nstopped after {seconds:.0f} s"
    return running.returncode, printed


def python(*arguments: str, seconds: float = START_SECONDS, **environment: str) -> tuple[int, str]:
    """Runs this Python in the root, as run_text."""
    return run_text(sys.executable, *arguments, seconds=seconds, **environment)


def last_line(text: str) -> str:
    """The last line that says anything."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def gpu_is_missing() -> str | None:
    """Why nothing can run here. Asked of another process: this one must not take the GPU's memory from its children."""
    status, printed = python("-c", GPU_NAME)
    return f"jax finds no GPU ({last_line(printed)[:200]})" if status else None


def kernels_are_missing() -> str | None:
    """Why the native library cannot be measured on the GPU."""
    status, printed = python("-c", KERNELS)
    if status:
        return f"the native library does not load: make gpu-check-build ({last_line(printed)[:200]})"
    return "the native library has no CUDA kernels: make gpu-check-build" if last_line(printed) == "null" else None


def build() -> bool:
    """Builds the native library in place, with CUDA."""
    start = time.perf_counter()
    status, printed = python("setup.py", "--quiet", "build_ext", "--inplace", seconds=BUILD_SECONDS)
    seconds = time.perf_counter() - start
    problem = "setup.py failed" if status else kernels_are_missing()
    if problem and not status:
        problem = f"{problem.split(':')[0]}: was nvcc found (CUDA_HOME, PATH, /usr/local/cuda)?"
    if problem:
        say(printed[-4000:])
        say(f"gpu-check build: {problem}")
        return False
    architectures = json.loads(last_line(python("-c", KERNELS)[1]))
    write("gpu_build", "build", {"seconds": seconds, "cuda_architectures": architectures})
    say(f"gpu-check build: CUDA kernels for {architectures}, {seconds:.0f} s")
    return True


def tests() -> bool:
    """tests/gpu, then every tool of compute-sanitizer on a small case."""
    # Both platforms, because the tests compare them.
    status, printed = python("-m", "pytest", "tests/gpu", seconds=TEST_SECONDS, JAX_PLATFORMS="cuda,cpu")
    if status:
        say(printed[-8000:])
    say(f"gpu-check tests: {last_line(printed)}")
    sanitizer = find_sanitizer()
    if sanitizer is None:
        say("gpu-check tests: compute-sanitizer is not installed, so the kernels ran unwatched")
    results = {tool: sanitize(sanitizer, tool) for tool in TOOLS} if sanitizer else {}
    for tool, result in results.items():
        say(f"gpu-check tests: {tool}: {json.dumps(result)}")
    write("gpu_tests", "tests", {"pytest": last_line(printed), "compute_sanitizer": results})
    return status == 0 and all(passes(tool, result) for tool, result in results.items())


def passes(tool: str, result: dict) -> bool:
    """Whether a sanitizer's run has nothing against our kernels.

    memcheck's reports all count: a library's kernel that goes astray was given wrong arguments.
    """
    return "did_not_finish" not in result and not result["reports" if tool == "memcheck" else "in_our_kernels"]


def find_sanitizer() -> str | None:
    """compute-sanitizer, on the PATH or in the CUDA toolkit."""
    homes = (os.environ.get("CUDA_HOME", "/usr/local/cuda"), "/usr/local/cuda")
    places = [Path(home) / folder / "compute-sanitizer" for home in homes for folder in ("bin", "compute-sanitizer")]
    return shutil.which("compute-sanitizer") or next((str(path) for path in places if path.is_file()), None)


def sanitize(sanitizer: str, tool: str) -> dict:
    """What a tool reports of small_case: in all, and in kernels of the namespace omg."""
    options = ["--tool", tool, "--target-processes", "all"]
    options += ["--report-api-errors", "no"] if tool == "memcheck" else []
    start = time.perf_counter()
    status, printed = run_text(
        sanitizer, *options, sys.executable, __file__, "small-case",
        seconds=TOOL_SECONDS,
        XLA_PYTHON_CLIENT_ALLOCATOR="platform",  # every array gets memory of its own: a step beyond it is seen
        XLA_FLAGS=f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_autotune_level=0",
    )  # fmt: skip
    found = re.search(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)", printed)
    if found is None or DONE not in printed:
        return {"did_not_finish": last_line(printed)[:300], "status": status}
    ours = [line for line in printed.splitlines() if line.startswith("=====") and "omg::" in line]
    seconds = round(time.perf_counter() - start)
    return {"reports": int(found[1]), "in_our_kernels": len(ours), "first": ours[:10], "seconds": seconds}


def small_case() -> bool:
    """Every kernel on little data: both passes, either way to add up, odd sizes, two views, and the z-buffer."""
    import jax

    from omg_jax.benchmarks.contestants import make_scene, ours
    from omg_jax.benchmarks.scenes import Case, build_case, portrait_camera
    from omg_jax.geometry.visibility import zbuffer
    from omg_jax.head.load import load_head

    case = Case("ellipsoid-1k", 70, 36, 2)
    scene = make_scene(*build_case(case), case.size)
    for deterministic in (True, False):
        jax.block_until_ready(ours(scene, deterministic=deterministic).both())
    model = load_head("arkit").model
    jax.block_until_ready(zbuffer(model.template, model.faces, portrait_camera(70), (70, 70)))
    say(DONE)
    return True


def bench() -> bool:
    """The rasterizer in all cases, and the avatar."""
    from bench_rasterizer import run

    from omg_jax.benchmarks.rasterizer import DEFAULT_CASES, FULL_CASES

    measure_frames()
    run("rasterizer_gpu", "make gpu-check-bench", dict.fromkeys((*DEFAULT_CASES, *FULL_CASES)), REPEATS, peers=())
    return True


def measure_frames() -> None:
    """The shipped network's avatar, stage by stage, on a made-up photo with a backbone of random weights."""
    from omg_jax.benchmarks.avatar import measure_avatar, stand_in_case
    from omg_jax.cli.network import load_network

    network = load_network("small", None, "arkit", for_photos=False)
    result = measure_avatar(stand_in_case(network.config, network.head, network), REPEATS)
    for name, level in result["frames"].items():
        say(f"gpu-check bench: {name}: {json.dumps(level['frames_per_second'])}")
    write("avatar_gpu", "bench", result)


def peers() -> bool:
    """Whatever is installed of gsplat and splax beside ours, in one run."""
    from bench_rasterizer import run

    from omg_jax.benchmarks.peers import PEERS, absence
    from omg_jax.benchmarks.rasterizer import PEER_CASES

    reasons = {peer.package: absence(peer) for peer in PEERS}
    if all(reasons.values()):
        say("gpu-check peers: skipped, " + "; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
        return True
    run("rasterizer_peers", "make gpu-check-peers", PEER_CASES, REPEATS, PEERS)
    return True


def write(name: str, part: str, result: dict) -> None:
    """Saves a part's result."""
    from record import write_result

    write_result(name, f"make gpu-check-{part}", result)


def say(line: str) -> None:
    """Prints at once: parts run for minutes."""
    print(line, flush=True)


def main() -> None:
    parts = {"build": build, "tests": tests, "bench": bench, "peers": peers, "small-case": small_case}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(f"usage: python experiments/gpu_check.py {'|'.join(parts)}")
    name = sys.argv[1]
    missing = None if name == "small-case" else gpu_is_missing()
    if missing is None and name in ("tests", "bench", "peers"):
        missing = kernels_are_missing()
    if missing:
        say(f"gpu-check {name}: skipped, {missing}")
        return
    if not parts[name]():
        sys.exit(1)


if __name__ == "__main__":
    main()
