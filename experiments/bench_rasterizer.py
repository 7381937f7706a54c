"""Times the rasterizer and writes experiments/results/rasterizer_cpu.json, or rasterizer_gpu.json where there is one.

    python experiments/bench_rasterizer.py [--repeats 15]

On a CPU times are process-CPU milliseconds over all threads, the least of some runs, so that they hardly depend on the
number of cores or on what else the machine does; on a GPU they are wall milliseconds of calls queued one after another.
"""

import argparse
import datetime
import json
import subprocess
from pathlib import Path

import jax

from omg_jax.cli.bench import measure

RESULTS = Path(__file__).parent / "results"


def cpu_model() -> str:
    """What /proc/cpuinfo calls the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="runs per measurement; the fastest counts")
    repeats = parser.parse_args().repeats
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    measured, platform = measure(repeats), jax.default_backend()
    if platform == "cpu":
        measured["device"] = cpu_model()
    result = {
        "command": f"python experiments/bench_rasterizer.py --repeats {repeats}",
        "commit": commit.strip(),
        "date": datetime.date.today().isoformat(),
        **measured,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"rasterizer_{platform}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
