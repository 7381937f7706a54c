"""Worker processes, and what they share. All of them end with this process, even where it is killed."""

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.managers import SyncManager


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of fresh processes: a forked child of a program that runs JAX may hang."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_end_with_parent)


def shared_manager() -> SyncManager:
    """A process that holds queues for workers; use it in a ``with`` block."""
    manager = SyncManager(ctx=multiprocessing.get_context("spawn"))
    manager.start(initializer=_end_with_parent)
    return manager


def _end_with_parent() -> None:
    """By themselves they would wait for a killed parent's next task for ever."""
    threading.Thread(target=_wait_and_end, name="omg-parent-watch", daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
