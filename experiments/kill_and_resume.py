"""kill -9 a training run again and again, often in the middle of a save; it must end with the weights of a whole run.

    python experiments/kill_and_resume.py --data FOLDER [--kills 20]

Writes results/kill_and_resume.json. Some minutes: every start loads the backbone and compiles.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro
from record import write_result
from rich.console import Console
from safetensors.numpy import load_file

SAVE_EVERY = 4  # steps


@dataclass
class Options:
    """What to train on, and how often to kill it."""

    data: Path
    """Folder of clips of 128 x 128 pixels, with index.json: make_portraits.py --size 128."""
    kills: int = 20
    seed: int = 0


def steps_done(output: Path) -> int:
    """The last step in the metrics of a run."""
    path = output / "metrics.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.is_file() else []
    return json.loads(lines[-1])["step"] if lines else 0


def is_saving(output: Path) -> bool:
    """Whether a checkpoint is being written."""
    return any("tmp" in path.name for path in (output / "checkpoints").glob("*"))


def start(options: Options, output: Path, num_steps: int) -> subprocess.Popen:
    """``omg train tiny``, to be killed or waited for."""
    command = [
        *(sys.executable, "-m", "omg_jax", "train", "tiny", "--json"),
        *("--train.data", options.data, "--train.output", output, "--train.num-steps", num_steps),
        *("--train.checkpoint-every", SAVE_EVERY, "--train.log-every", 1, "--train.picture-every", 10**6),
    ]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(output.parent / "compiled")}
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return subprocess.Popen([str(part) for part in command], env=os.environ | cache, **quiet)


def kill_once(options: Options, output: Path, num_steps: int, after: int, in_a_save: bool) -> dict:
    """Starts the run and kills it some steps after where it was; says where, and whether a save was going on."""
    begun = steps_done(output)
    process = start(options, output, num_steps)
    while process.poll() is None:
        saving = is_saving(output)
        if steps_done(output) >= begun + after and (saving or not in_a_save):
            break
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        raise RuntimeError(f"the run ended by itself with code {process.returncode} before it was killed")
    return {"begun": begun, "killed_at": steps_done(output), "in_a_save": saving}


def main(options: Options) -> None:
    console, rng = Console(), random.Random(options.seed)
    num_steps = 12 * (options.kills + 1)
    with TemporaryDirectory() as folder:
        killed, whole = Path(folder) / "killed", Path(folder) / "whole"
        kills = []
        for number in range(options.kills):
            kills.append(kill_once(options, killed, num_steps, rng.randint(1, 8), in_a_save=number % 2 == 0))
            console.print(kills[-1])
        for output in (killed, whole):
            if start(options, output, num_steps).wait() != 0:
                raise RuntimeError(f"the run in {output} did not end well")
        ours, expected = (load_file(output / "weights.safetensors") for output in (killed, whole))
        equal = ours.keys() == expected.keys() and all(np.array_equal(ours[name], expected[name]) for name in expected)
    result = {
        "preset": "tiny",
        "num_steps": num_steps,
        "kills": len(kills),
        "kills_in_a_save": sum(kill["in_a_save"] for kill in kills),
        "same_bits_as_a_whole_run": equal,
    }
    command = f"python experiments/kill_and_resume.py --data FOLDER --kills {options.kills}"
    write_result("kill_and_resume", command, result)


if __name__ == "__main__":
    main(tyro.cli(Options))
