"""``omg track``: a photo or a video to a motion file, a folder of them to a folder of motion files."""

import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from omg_jax.cli.console import progress_bar, report, telling
from omg_jax.cli.inputs import check_max_frames, face_facts, read_photo, track_portrait
from omg_jax.cli.playback import num_frames
from omg_jax.cli.track_folder import PEOPLE, Clip, parts_folder, track_folder, write_json, write_overlay
from omg_jax.cli.video import check_video_name
from omg_jax.head.load import load_head
from omg_jax.tracking.motion import Motion, save_motion
from omg_jax.tracking.quality import quality_facts
from omg_jax.tracking.track import photo_motion, track_motion

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def track(
    source: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    head: str = "arkit",
    people: Literal["largest", "central", "all"] = "largest",
    overlay: Path | None = None,
    jobs: int = os.cpu_count() or 1,
    max_frames: int | None = None,
    json: bool = False,
) -> None:
    """A photo or a video to a motion file: head parameters, torso and camera of every frame.

    Beside a video's motion lies a report of how well it is tracked, NAME.json. With a folder as output every shot and
    person gets a motion file of its own; with one as source too, all its videos are tracked. The same command goes on
    where one that was stopped left off.

    Args:
        source: A video, or a JPEG or PNG photo, with at least one face, or a folder of videos.
        output: The motion file to write, NAME.npz, or a folder.
        head: The head model: arkit, or flame:PATH, a FLAME file with landmark embeddings beside it.
        people: Whom to follow: the largest face of each shot, the one nearest to the picture's middle, or all.
        overlay: A video to write, NAME.mp4, that shows the tracked mesh; a folder of them if the output is a folder.
        jobs: How many videos of a folder are tracked at a time.
        max_frames: Stop after this many frames of a video.
        json: Print one JSON object.
    """
    check_max_frames(max_frames)
    if overlay and output.suffix == ".npz":
        check_video_name(overlay)
    if output.suffix != ".npz":
        if source.suffix.lower() in PHOTO_SUFFIXES:
            raise ValueError(f"a motion file's name must end in .npz, got {output}")
        report(track_folder(source, output, head, people, overlay, jobs, max_frames), as_json=json)
        return
    if people == "all":
        raise ValueError(f"all people make several motion files: name a folder to write to instead of {output}")
    if source.is_dir():
        raise ValueError(f"{source} is a folder: name a folder to write its motions to instead of {output}")
    if source.suffix.lower() in PHOTO_SUFFIXES:
        motion, facts = _photo(source, head)
    else:
        motion, facts = _video(Clip(source, output, head, people, max_frames), overlay)
    save_motion(output, motion)
    report(
        {"motion": str(output), "frames": num_frames(motion), "fps": motion.fps, "head": motion.head_name, **facts},
        as_json=json,
    )


def _photo(source: Path, head: str) -> tuple[Motion, dict]:
    model = load_head(head)
    tracked = track_portrait(read_photo(source), model, source)
    return photo_motion(tracked, model, source.name), {"faces_in_photo": tracked.num_faces}


def _video(clip: Clip, overlay: Path | None) -> tuple[Motion, dict]:
    head = load_head(clip.head)
    with progress_bar() as progress:
        told = telling(progress)
        tracked = track_motion(clip.source, head, told, clip.max_frames, PEOPLE[clip.people], parts_folder(clip))
        if overlay:
            write_overlay(overlay, clip.source, tracked, head, told)
    facts = quality_facts(tracked.quality)
    write_json(clip.output.with_suffix(".json"), {"frames_of_video": list(tracked.frames), **facts})
    return tracked.motion, face_facts(tracked) | {name: facts[name] for name in ("error_px", "lost_share")}
