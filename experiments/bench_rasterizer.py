"""Times the CPU rasterizer and writes experiments/results/rasterizer_cpu.json.

    python experiments/bench_rasterizer.py [--repeats 15]

Times are process-CPU milliseconds over all threads, the least of some runs, so that they hardly depend on the number of
cores or on what else the machine does.
"""

import argparse
import datetime
import json
import subprocess
from pathlib import Path

from omg_jax.cli.bench import measure

RESULT = Path(__file__).parent / "results" / "rasterizer_cpu.json"


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
    result = {
        "command": f"python experiments/bench_rasterizer.py --repeats {repeats}",
        "commit": commit.strip(),
        "device": cpu_model(),
        "date": datetime.date.today().isoformat(),
        **measure(repeats),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
