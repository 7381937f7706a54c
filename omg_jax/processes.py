"""Pools of worker processes."""

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of fresh processes, which end with this one even where it is killed.

    Fresh ones, because a forked child of a program that runs JAX may hang.
    """
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Python's own workers wait for a killed parent's next task for ever."""
    threading.Thread(target=_wait_and_end, name="omg-parent-watch", daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
