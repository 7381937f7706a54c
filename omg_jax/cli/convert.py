"""``omg convert``: weights, FLAME files and tracked heads that others made, to files of ours."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from omg_jax.assets.registry import environment_variable
from omg_jax.cli.clips import stage
from omg_jax.cli.console import console, note, report
from omg_jax.data.clips import Clip, Origin, write_index
from omg_jax.head.flame import WORLD_UNITS_PER_METRE, convert_flame
from omg_jax.head.load import Head, load_head
from omg_jax.models.dinov2_weights import convert_dinov2
from omg_jax.models.release_weights import Group, convert_release
from omg_jax.models.torch_state import listed
from omg_jax.models.weights import named_arrays
from omg_jax.tracking.importers.read import chosen_track, read_tracks
from omg_jax.tracking.importers.track import ImportedTrack, check_edition, imported_motion, imported_portraits
from omg_jax.tracking.motion import save_motion

Output = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


def convert(
    kind: Annotated[Literal["dinov2", "release", "flame", "tracking"], tyro.conf.Positional],
    source: tyro.conf.Positional[Path],
    output: Output,
    head: str = "",
    track: str = "",
    edition: Literal["2020", "2023"] | None = None,
    json: bool = False,
) -> None:
    """Convert what others published or measured to files of ours. Nothing that a file holds is run.

    Args:
        kind: "dinov2": a DINOv2 backbone, official (.pth) or Hugging Face's (.safetensors); "release": the checkpoint
            of OMG-Avatar's authors (omg_ckpt.pt), for --preset paper --weights; "flame": a FLAME .pkl, to an .npz;
            "tracking": the folder of GAGAvatar_track (smoothed.pkl or optim.pkl, img_lmdb), or an export of VHAP, as
            LAM reads it too (transforms.json, flame_param).
        source: The file or folder to convert.
        output: The file to write: NAME.safetensors, or NAME.npz for FLAME and for a motion; a folder for clips.
        head: Of tracking: the FLAME file that its codes are made for, flame:PATH.
        track: Of tracking, to a motion: which of several videos or cameras.
        edition: Of tracking: the edition of FLAME that the tracker was run with, where it is not the tracker's own.
        json: Print one JSON object.
    """
    if kind == "tracking":
        facts = tracking(source, output, head, track, edition)
    else:
        with console.status(f"converting {source}"):
            facts = CONVERTERS[kind](source, output)
    report({"output": str(output), **facts}, as_json=json)


def dinov2(source: Path, output: Path) -> dict:
    """Converts a backbone; what a report says of it."""
    found = convert_dinov2(source, output)
    if found.left_out:
        note(f"left out, as no part of the backbone: {listed(found.left_out)}")
    return {
        "backbone": found.name,
        "parameters": num_parameters(found.params),
        "left_out": found.left_out,
        "give_its_path_in": environment_variable(found.name),
    }


def release(source: Path, output: Path) -> dict:
    """Converts the authors' checkpoint; what a report says of it."""
    found = convert_release(source, output)
    dropped = [name for name, group in found.dropped.items() if group.arrays]
    if dropped:
        note(f"left behind, as no part of the network: {listed(dropped)}")
    if found.extra:
        note(f"unknown, and left out: {listed(found.extra)}")
    return {
        "parameters": num_parameters(found.params),
        "backbone_parameters": num_parameters(found.backbone),
        "extra": found.extra,
        "unused": counts(found.unused),
        "dropped": counts(found.dropped),
    }


def flame(source: Path, output: Path) -> dict:
    """Converts a FLAME file, about which there is nothing to report."""
    convert_flame(source, output)
    return {}


CONVERTERS = {"dinov2": dinov2, "release": release, "flame": flame}


def tracking(source: Path, output: Path, head_name: str, name: str, edition: str | None) -> dict:
    """Converts another tracker's output to a motion (.npz) or to a folder of clips; what a report says of it."""
    tracks = read_tracks(source, edition)
    head = load_flame_head(tracks[0], head_name)
    if tracks[0].vertex_offsets is not None:
        largest = float(np.linalg.norm(tracks[0].vertex_offsets, axis=-1).max()) * 1000 / WORLD_UNITS_PER_METRE
        note(f"left out: the person's vertex offsets, up to {largest:.1f} mm, which no motion holds")
    facts = {"tracker": tracks[0].tracker, "flame": tracks[0].edition}
    if output.suffix == ".npz":
        motion = imported_motion(chosen_track(tracks, name), head)
        save_motion(output, motion)
        return {**facts, "frames": len(motion.camera.world_to_camera)}
    return {**facts, **tracked_clips(tracks, head, output)}


def tracked_clips(tracks: list[ImportedTrack], head: Head, folder: Path) -> dict:
    """Writes the clips of tracks that have pictures; what a report says of them."""

    def load(track: ImportedTrack) -> tuple[Clip, Origin]:
        portraits = imported_portraits(track, head, lambda image: portrait_matte()(image))
        clip = Clip(portraits.images, portraits.mattes, portraits.motion.head_params, portraits.motion.camera)
        return clip, Origin(track.name, track.fps, track.frame_numbers)

    failed = stage({track.name: track for track in tracks}, folder, load, workers=0)
    index = write_index(folder, head.name, head.sha256)
    return {"clips": len(index.names), "frames": sum(index.num_frames), "left_out": failed}


@functools.cache
def portrait_matte() -> Callable[[np.ndarray], np.ndarray]:
    """Our own matting, for pictures that come without a matte."""
    from omg_jax.tracking.matte import PortraitMatte  # needs the extra "tracking"

    return PortraitMatte()


def load_flame_head(track: ImportedTrack, spec: str) -> Head:
    """The head that a track's codes are made for."""
    if not spec.startswith("flame:"):
        raise ValueError(
            f"{track.tracker} measures FLAME codes; give the FLAME {track.edition} file that they are made for, "
            f"--head flame:PATH, got {spec or 'none'}"
        )
    check_edition(track, spec.removeprefix("flame:"))
    return load_head(spec)


def num_parameters(params: dict) -> int:
    """How many numbers a network has."""
    return sum(array.size for array in named_arrays(params).values())


def counts(groups: dict[str, Group]) -> dict[str, dict]:
    """Groups of arrays as a report shows them."""
    return {name: group._asdict() for name, group in groups.items()}
