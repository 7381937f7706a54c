"""Memory that a CPU frame may use again: glibc's allocator set to keep what is freed.

As it comes, glibc gives large arrays back to the system as soon as they are freed, and every frame pays for having
their pages mapped and cleared again: on a CPU a seventh of a frame's time.
"""

import ctypes

# From glibc's malloc.h. Threads have small arenas of their own and would still map large arrays: one arena for all.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER = 2**31 - 1  # bytes


def keep_freed_memory() -> None:
    """From now on this process keeps its freed memory; call it before the first computation. Without glibc, nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, NEVER), (M_TRIM_THRESHOLD, NEVER)):
            mallopt(option, value)
