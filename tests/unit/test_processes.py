"""Worker processes: they work, and none is left of a program that was killed."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from omg_jax.processes import shared_manager, worker_pool
from tests.running import TELLS_PROCESSES, is_running, wait_for


def report(folder: Path, messages) -> None:
    messages.put(os.getpid())
    (folder / f"worker.{os.getpid()}").touch()
    time.sleep(600)


def work_for_ever(folder: Path) -> None:
    with shared_manager() as manager, worker_pool(2) as pool:
        messages = manager.Queue()
        for _ in range(2):
            pool.submit(report, folder, messages)
        messages.get()
        (folder / f"manager.{manager._process.pid}").touch()
        time.sleep(600)


@pytest.mark.skipif(not TELLS_PROCESSES, reason="asks the system for its processes")
def test_workers_and_manager_end_with_a_program_that_is_killed(tmp_path):
    program = multiprocessing.get_context("spawn").Process(target=work_for_ever, args=(tmp_path,))
    program.start()
    wait_for(lambda: len(list(tmp_path.iterdir())) == 3)
    children = [int(path.suffix[1:]) for path in tmp_path.iterdir()]
    assert all(map(is_running, children))
    os.kill(program.pid, signal.SIGKILL)
    program.join()
    wait_for(lambda: not any(map(is_running, children)))
