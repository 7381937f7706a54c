"""Times the rasterizer: experiments/results/rasterizer_cpu.json and .svg, or rasterizer_gpu where there is a GPU.

    python experiments/bench_rasterizer.py [--full] [--repeats 15]

On a CPU times are process-CPU milliseconds over all threads, the least of some runs, so that they hardly depend on the
number of cores or on what else the machine does; on a GPU they are wall milliseconds of calls queued one after another.
"""

import argparse
from collections.abc import Iterable

import jax
from record import RESULTS, write_result
from rich.console import Console

from omg_jax.benchmarks.peers import PEERS, Peer
from omg_jax.benchmarks.rasterizer import DEFAULT_CASES, FULL_CASES, measure, speedups
from omg_jax.benchmarks.report import bar_chart, table
from omg_jax.benchmarks.scenes import Case

console = Console(width=120)


def run(name: str, command: str, cases: Iterable[Case], repeats: int, peers: tuple[Peer, ...]) -> None:
    """Measures the cases, prints them, and writes results/NAME.json and .svg: the JSON again after every case."""
    rows, left_out = [], {}
    for case in cases:
        console.print(*case, style="dim")
        result = measure([case], repeats, tuple(peer for peer in peers if peer.package not in left_out))
        rows, left_out = rows + result["rows"], left_out | result["left_out"]
        result |= {"rows": rows, "left_out": left_out}
        record = write_result(name, command, {**result, "times_of_ours": speedups(result)})
    (RESULTS / f"{name}.svg").write_text(bar_chart(record))
    console.print(table(record))
    for peer, reason in result["left_out"].items():
        console.print(f"{peer} is left out: {reason}", markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="runs per measurement; the fastest counts")
    parser.add_argument("--full", action="store_true", help="all scenes, channels, sizes and batches")
    options = parser.parse_args()
    command = f"python experiments/bench_rasterizer.py{' --full' * options.full} --repeats {options.repeats}"
    cases = FULL_CASES if options.full else DEFAULT_CASES
    run(f"rasterizer_{jax.default_backend()}", command, cases, options.repeats, PEERS)


if __name__ == "__main__":
    main()
