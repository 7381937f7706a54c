"""Clocks: process-CPU time for what runs on CPUs, wall time of queued calls for what runs on a GPU, and frame rates.

JAX cannot place a GPU's own events around a call. Many calls that are given to the device before the first has ended
come to the same: between them it waits for no Python, only for the call before. That holds where a call takes longer
on the device than its launch on the host; otherwise the launch is what is measured, as in use. Every contestant is
measured so, whether JAX or another framework launches it.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence

QUEUED_SECONDS = 0.05  # how long a queue should keep the device busy
MAX_QUEUED = 50
FRAMES_AHEAD = 2  # that the device computes while the host waits for one


def least_cpu_ms(run: Callable[[], object], wait: Callable[[object], object], repeats: int) -> float:
    """Process-CPU milliseconds (all threads) of a call, the least of some; the first call, which compiles, is not one.

    wait blocks until what run returned is there.
    """
    return _least_ms(time.process_time, run, wait, repeats)


def least_wall_ms(run: Callable[[], object], wait: Callable[[object], object], repeats: int) -> float:
    """Wall milliseconds of a call that is waited for, the least of some; the first call is not one."""
    return _least_ms(time.perf_counter, run, wait, repeats)


def _least_ms(
    clock: Callable[[], float], run: Callable[[], object], wait: Callable[[object], object], repeats: int
) -> float:
    wait(run())
    least = math.inf
    for _ in range(repeats):
        start = clock()
        wait(run())
        least = min(least, clock() - start)
    return 1e3 * least


def frame_rate(show: Callable[..., object], frames: Sequence[tuple], wait: Callable[[object], object]) -> float:
    """Frames per second of ``show(*frame)``, FRAMES_AHEAD of them under way while one is waited for.

    The first frame is shown once before.
    """
    wait(show(*frames[0]))
    start, queue = time.perf_counter(), deque()
    for frame in frames:
        queue.append(show(*frame))
        if len(queue) > FRAMES_AHEAD:
            wait(queue.popleft())
    while queue:
        wait(queue.popleft())
    return len(frames) / (time.perf_counter() - start)


def mean_frame_rate(
    show: Callable[..., object], frames: Sequence[tuple], wait: Callable[[object], object], warm_ups: int
) -> float:
    """The mean of every frame's own frames per second, each waited for; the first warm_ups frames are left out."""
    rates = []
    for frame in frames:
        start = time.perf_counter()
        wait(show(*frame))
        rates.append(1.0 / (time.perf_counter() - start))
    return sum(rates[warm_ups:]) / len(rates[warm_ups:])


def least_queued_ms(run: Callable[[], object], wait: Callable[[object], object], repeats: int) -> float:
    """Wall milliseconds of a call among queued ones, the least of some queues; the first call is not one."""
    wait(run())
    start = time.perf_counter()
    wait(run())
    queued = queue_length(time.perf_counter() - start)
    least = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(queued):
            last = run()  # the call before loses its result: no more memory is held than for two
        wait(last)
        least = min(least, time.perf_counter() - start)
    return 1e3 * least / queued


def queue_length(seconds: float) -> int:
    """Calls of so many seconds that are queued at once."""
    return max(1, min(MAX_QUEUED, math.ceil(QUEUED_SECONDS / max(seconds, 1e-9))))
