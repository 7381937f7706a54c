"""Tracks many videos in parallel processes, each into its motion files; what is done is not done again."""

import hashlib
import json
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from queue import Empty
from typing import NamedTuple

from omg_jax.cli.console import note, progress_bar, telling
from omg_jax.cli.video import check_video_name, write_video
from omg_jax.files import replacing
from omg_jax.head.load import Head, load_head
from omg_jax.processes import shared_manager, worker_pool
from omg_jax.tracking.motion import save_motion
from omg_jax.tracking.people import Told, everyone, largest, most_central
from omg_jax.tracking.quality import quality_facts
from omg_jax.tracking.solve import TRACKER_VERSION
from omg_jax.tracking.track import TrackedClip, overlays, track_people

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".avi", ".mkv", ".m4v", ".mpg", ".mpeg")
PEOPLE = {"largest": largest, "central": most_central, "all": everyone}
TOLD_EVERY = 20  # frames between a worker's messages


class Clip(NamedTuple):
    """A video to track, and how. output: the motion file, or the folder for one of each shot and person."""

    source: Path
    output: Path
    head: str
    people: str
    max_frames: int | None


def track_folder(
    source: Path, output: Path, head: str, people: str, overlay: Path | None, jobs: int, max_frames: int | None
) -> dict:
    """Tracks a video, or all videos of a folder, into a folder; returns what a report says.

    A video that cannot be tracked is noted and passed over; ValueError where there is no video, or none can be tracked.
    """
    if jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {jobs}")
    sources = videos_of(source)
    clips = [Clip(path, output, head, people, max_frames) for path in sources]
    done, failed = {}, {}
    with shared_manager() as manager, progress_bar() as progress:
        messages = manager.Queue()
        workers = min(jobs, len(clips))
        bars = {path.name: telling(progress, path.name) for path in sources}
        total = telling(progress)
        with worker_pool(workers) as pool:
            work = {pool.submit(track_into_folder, clip, overlay, messages): clip for clip in clips}
            waiting = set(work)
            while waiting:
                finished = {future for future in waiting if future.done()}
                waiting -= finished
                for future in finished:
                    name = work[future].source.name
                    try:
                        done[name] = future.result()
                    except BrokenProcessPool as error:
                        raise ValueError(
                            f"a process that tracked {name} or another video was killed, perhaps for want of memory; "
                            "the same command goes on from here, with fewer --jobs it needs less"
                        ) from error
                    except (ValueError, OSError) as error:
                        failed[name] = str(error)
                    total("videos", len(done) + len(failed), len(clips))
                _show(messages, bars)
    for name, reason in failed.items():
        note(f"{name} is passed over: {reason}")
    if not done:
        raise ValueError(f"none of the {len(failed)} videos of {source} could be tracked; the lines above say why")
    return {
        "output": str(output),
        "videos": len(done),
        "motions": sum(len(names) for names in done.values()),
        "passed_over": sorted(failed),
    }


def videos_of(source: Path) -> list[Path]:
    """A video itself, or the videos of a folder by name. ValueError where there is none, or two share their stem."""
    if not source.is_dir():
        return [source]
    paths = sorted(path for path in source.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise ValueError(f"no video in {source}; expected files that end in {', '.join(VIDEO_SUFFIXES)}")
    stems = [path.stem for path in paths]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ValueError(f"{source} has several videos named {twice[0]}: their motions would overwrite each other")
    return paths


def track_into_folder(clip: Clip, overlay: Path | None, messages=None) -> list[str]:
    """Tracks one video into a folder, unless that was done; returns the names of its motion files.

    Motions are named by the video, and where there are several also by shot and person; NAME.tracked.json says that
    all is done, and of what. messages: a queue for (name of the video, stage, done, total).
    """
    record, mark = clip.output / f"{clip.source.stem}.tracked.json", fingerprint(clip)
    if record.is_file():
        facts = json.loads(record.read_text())
        if facts["made_of"] == mark and all((clip.output / name).is_file() for name in facts["motions"]):
            return facts["motions"]

    def told(stage: str, done: int, total: int) -> None:
        if messages is not None and (done % TOLD_EVERY == 0 or done == total):
            messages.put((clip.source.name, stage, done, total))

    head, names = load_head(clip.head), []
    tracked = track_people(clip.source, head, told, clip.max_frames, PEOPLE[clip.people], parts_folder(clip))
    for one in tracked:
        name = clip.source.stem + (f".frame{one.frames.start}.person{one.person}" if len(tracked) > 1 else "")
        save_motion(clip.output / f"{name}.npz", one.motion)
        write_json(clip.output / f"{name}.json", {"frames_of_video": list(one.frames), **quality_facts(one.quality)})
        if overlay:
            write_overlay(overlay / f"{name}.mp4", clip.source, one, head, told)
        names.append(f"{name}.npz")
    write_json(record, {"made_of": mark, "shots": tracked[0].num_shots, "motions": names})
    return names


def write_overlay(path: Path, source: Path, tracked: TrackedClip, head: Head, told: Told) -> None:
    """A video of the portrait crops under the tracked mesh."""
    check_video_name(path)
    write_video(path, overlays(source, tracked, head, told), tracked.motion.fps)


def write_json(path: Path, facts: dict) -> None:
    """Writes facts as JSON; the file appears by rename."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n")


def fingerprint(clip: Clip) -> str:
    """What a clip's result depends on: the file as it is now, the options, and the tracker."""
    try:
        state = clip.source.stat()
    except OSError as error:
        raise ValueError(f"no video at {clip.source}; name a video file") from error
    source = (clip.source.name, state.st_size, state.st_mtime_ns)
    facts = (*source, clip.head, clip.people, clip.max_frames, TRACKER_VERSION)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def parts_folder(clip: Clip) -> Path:
    """Where a clip's partial results lie until it is done."""
    folder = clip.output.parent if clip.output.suffix == ".npz" else clip.output
    return folder / f".{clip.source.stem}-{fingerprint(clip)}.parts"


def _show(messages, bars: dict[str, Told]) -> None:
    try:
        while True:
            name, *rest = messages.get(timeout=0.2)
            bars[name](*rest)
    except Empty:
        pass
