"""Times a training step, part by part, as ``omg bench training``: writes results/training_PRESET_cpu.json, or _gpu.

    python experiments/bench_training.py [--preset small]

Process-CPU times can be compared on a machine that others use too; wall times are an idle machine's.
"""

import argparse

from record import write_result

from omg_jax.cli.bench_training import measured
from omg_jax.memory import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small", help="the network's preset")
    parser.add_argument("--repeats", type=int, default=3, help="runs per measurement; the fastest counts")
    options = parser.parse_args()
    keep_freed_memory()
    result = measured(options.preset, options.repeats)
    backend = "cpu" if result["device"] == "cpu" else "gpu"
    command = f"python experiments/bench_training.py --preset {options.preset} --repeats {options.repeats}"
    write_result(f"training_{options.preset}_{backend}", command, result)


if __name__ == "__main__":
    main()
