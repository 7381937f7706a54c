"""Makes folders of clips out of videos, or of anything that gives clips: in processes, resumable, never stopped by one.

A clip's folder appears by rename when it is complete, so that the same call after an interruption does what is left.
One program at a time may write into a folder.
"""

import collections
import concurrent.futures
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from omg_jax.data.clips import INDEX_NAME, UNFINISHED_PREFIX, Clip, Origin, save_clip
from omg_jax.files import replacing
from omg_jax.processes import worker_pool

SKIPPED_NAME = "skipped.json"
VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".avi", ".mkv")
SLOWEST_FPS, FASTEST_FPS = 5.0, 240.0  # of a video of a person; outside of them the file's header is wrong

Outcomes = Iterator[tuple[str, BaseException | None]]
# What gives a clip: a picklable function of an item. It raises where the item gives none.
LoadClip = Callable[[Any], tuple[Clip, Origin]]


def stage_clips(
    items: Mapping[str, Any],
    root: str | Path,
    load: LoadClip,
    workers: int = 0,
    on_done: Callable[[str, str | None], None] = lambda name, reason: None,
) -> dict[str, str]:
    """Writes a clip folder below root for each item that has none yet; returns the names of those that failed, and why.

    items: by the clip's name. workers: processes; 0 works in this one. on_done: told of each name when it is through,
    with the reason where it failed. A failed item, or one that killed its process, does not stop the others; it is
    tried again by the next call, and root's skipped.json tells of it.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    for unfinished in root.glob(f"{UNFINISHED_PREFIX}*"):  # of a call that was killed
        shutil.rmtree(unfinished)
    jobs = {name: (load, item, root / name) for name, item in sorted(items.items()) if not (root / name).exists()}
    failed = {}
    for name, error in _in_processes(jobs, workers) if workers else _in_thread(jobs):
        reason = None if error is None else f"{error}" if isinstance(error, ValueError) else f"{error!r}"
        if reason is not None:
            failed[name] = reason
        on_done(name, reason)
    with replacing(root / SKIPPED_NAME) as path:
        path.write_text(json.dumps(failed, indent=1))
    return failed


def find_videos(folder: str | Path) -> dict[str, Path]:
    """The videos below a folder, by clip name: their path without suffix, with "__" for slashes.

    ValueError where there are none, or two would have one name.
    """
    folder = Path(folder)
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in VIDEO_SUFFIXES or path.name.startswith("."):
            continue
        name = "__".join(path.relative_to(folder).with_suffix("").parts)
        if name in found:
            raise ValueError(f"{found[name]} and {path} would become one clip, {name}; rename one of them")
        found[name] = path
    if not found:
        raise ValueError(f"{folder} holds no video ({', '.join(VIDEO_SUFFIXES)}); name the folder that does")
    return found


def is_staged(folder: str | Path) -> bool:
    """Whether a folder holds clips already, or folders of clips for several splits."""
    folder = Path(folder)
    return (folder / INDEX_NAME).is_file() or any(folder.glob(f"[!.]*/{INDEX_NAME}"))


def _stage_one(job: tuple[LoadClip, Any, Path]) -> None:
    load, item, folder = job
    clip, origin = load(item)
    if len(clip.images) < 2:
        raise ValueError(f"{item}: a clip needs two frames to make a pair, got {len(clip.images)}")
    if origin.fps and not SLOWEST_FPS <= origin.fps <= FASTEST_FPS:
        raise ValueError(
            f"{item}: expected {SLOWEST_FPS:g} to {FASTEST_FPS:g} frames per second, got {origin.fps:g}; the file's "
            "header is wrong, convert the video anew"
        )
    save_clip(folder, clip, origin)


def _in_thread(jobs: dict[str, tuple]) -> Outcomes:
    """One after the other. In a thread, whose future keeps whatever goes wrong."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for name, job in jobs.items():
            yield name, pool.submit(_stage_one, job).exception()


def _in_processes(jobs: dict[str, tuple], workers: int) -> Outcomes:
    """As they finish. When a process dies, what was in flight is tried again, each item in a process of its own."""
    queue = collections.deque(jobs.items())
    while queue:
        suspects: list[tuple[str, tuple]] = []
        with worker_pool(workers) as pool:
            flying: dict[concurrent.futures.Future, tuple[str, tuple]] = {}
            while (queue or flying) and not suspects:
                while queue and len(flying) < workers:
                    name, job = queue.popleft()
                    flying[pool.submit(_stage_one, job)] = (name, job)
                done, _ = concurrent.futures.wait(flying, return_when=concurrent.futures.FIRST_COMPLETED)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    suspects = list(flying.values())
                    break
                for future in done:
                    yield flying.pop(future)[0], future.exception()
        for name, job in suspects:
            yield name, _alone(job)


def _alone(job: tuple) -> BaseException | None:
    if job[2].exists():  # it was through when another one died
        return None
    with worker_pool(1) as pool:
        error = pool.submit(_stage_one, job).exception()
    if isinstance(error, BrokenProcessPool):
        return ValueError(f"{job[1]}: the process that worked on it died; was there too little memory?")
    return error
