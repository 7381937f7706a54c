"""Memory of this process and its device: glibc's allocator set to keep what is freed, and how much was held at most."""

import ctypes

import jax

# From glibc's malloc.h. Threads have small arenas of their own and would still map large arrays: one arena for all.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER = 2**31 - 1  # bytes


def keep_freed_memory() -> None:
    """From now on this process keeps its freed memory; call it before the first computation. Without glibc, nothing.

    As it comes, glibc gives large arrays back to the system as soon as they are freed, and every frame pays for having
    their pages mapped and cleared again: on a CPU a seventh of a frame's time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, NEVER), (M_TRIM_THRESHOLD, NEVER)):
            mallopt(option, value)


def peak_memory() -> dict[str, float]:
    """The most memory that was held so far, in MiB: by the device where it tells, else by the whole process."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return {"device_peak_memory_mib": stats["peak_bytes_in_use"] / 2**20}
    import resource  # not on every system

    return {"process_peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10}  # of KiB
