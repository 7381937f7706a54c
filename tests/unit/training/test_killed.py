"""kill -9 at any moment, also in the middle of a save: the next start goes on from a whole checkpoint."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from omg_jax.training.loop import train
from omg_jax.training.records import read_metrics
from tests.unit.training.conftest import with_options

STEPS = 60
OPTIONS = dict(num_steps=STEPS, checkpoint_every=3, log_every=1, picture_every=1000)
SCRIPT = f"""
import sys
import time
from pathlib import Path
import jax
from flax import nnx

jax.config.update("jax_platforms", "cpu")
from omg_jax.data.clips import load_index
from omg_jax.head.load import load_head
from omg_jax.training import loop
from tests.unit.training.conftest import painters_job
from tests.unit.training.painter import Painter

loop.build_model = lambda config, head, seed, dtype: Painter(16, 6, rngs=nnx.Rngs(seed))
root, output = sys.argv[1:]
slow = loop.SILENT._replace(on_step=lambda done: time.sleep(0.02))  # so that there is time to be killed in
loop.train(painters_job(load_index(Path(root)), load_head("arkit"), output, **{OPTIONS}), slow)
"""


def steps_logged(output: Path) -> int:
    return len(read_metrics(output))


def is_saving(output: Path) -> bool:
    return any("tmp" in path.name for path in (output / "checkpoints").glob("*"))


def run_until(root: Path, output: Path, moment: Callable[[], bool]) -> int:
    """Starts the run and kills it at a moment; returns how it ended."""
    command = [sys.executable, "-c", SCRIPT, str(root), str(output)]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(output) + "_compiled", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], env=os.environ | cache) as process:
        until = time.monotonic() + 300
        while process.poll() is None and not moment() and time.monotonic() < until:
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        return process.wait()


def test_a_run_that_is_killed_three_times_ends_as_if_it_had_not_been(job, smooth_index, tmp_path):
    output = tmp_path / "killed"
    moments = [
        lambda: steps_logged(output) >= 10 and is_saving(output),
        lambda: steps_logged(output) >= 23,
        lambda: steps_logged(output) >= 36 and is_saving(output),
    ]
    for moment in moments:
        assert run_until(smooth_index.root, output, moment) == -signal.SIGKILL
        assert 0 < steps_logged(output) < STEPS, "killed on the way"
    killed = train(with_options(job, output=str(output), **OPTIONS))
    whole = train(with_options(job, **OPTIONS))
    assert int(killed.state.step) == STEPS
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, killed.state, whole.state)))
    rows = [read_metrics(Path(folder)) for folder in (output, job.config.train.output)]
    assert [row["loss"] for row in rows[0]] == [row["loss"] for row in rows[1]]
    assert not is_saving(output), "what an interrupted save left is cleared away"
