"""Times an avatar, stage by stage, as ``omg bench avatar``: writes results/avatar_stages_cpu.json, or _gpu.json.

    python experiments/bench_avatar.py [--preset small]

Presets without shipped weights are measured with random ones and written to results/avatar_stages_PRESET_cpu.json. Wall
times and frames per second are an idle machine's; process-CPU times hardly depend on what else it does.
"""

import argparse

import jax
from record import write_result

from omg_jax.benchmarks.avatar import measure_avatar
from omg_jax.cli.bench_avatar import avatar_case
from omg_jax.memory import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small", help="the network's preset")
    parser.add_argument("--repeats", type=int, default=7, help="runs per measurement; the fastest counts")
    options = parser.parse_args()
    keep_freed_memory()
    result = measure_avatar(avatar_case(options.preset, None), options.repeats)
    named = "" if options.preset == "small" else f"_{options.preset}"
    command = f"python experiments/bench_avatar.py --preset {options.preset} --repeats {options.repeats}"
    write_result(f"avatar_stages{named}_{jax.default_backend()}", command, result)


if __name__ == "__main__":
    main()
