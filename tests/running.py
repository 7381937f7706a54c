"""Which processes run, for tests that kill some."""

import time
from collections.abc import Callable
from pathlib import Path

TELLS_PROCESSES = Path("/proc/self/stat").exists()
PATIENCE = 60  # seconds; more than any of it takes


def is_running(process: int) -> bool:
    """Whether there is such a process, other than one that ended and waits to be asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; fails where it does not come to."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
