"""``omg reconstruct``: a photo to an avatar file."""

import time
from pathlib import Path
from typing import Annotated

import jax
import tyro

from omg_jax.avatar import Avatar, Network, count_gaussians
from omg_jax.avatar import reconstruct as reconstruct_avatar
from omg_jax.avatar_file import save_avatar
from omg_jax.cli.console import console, report
from omg_jax.cli.inputs import read_photo, track_portrait
from omg_jax.cli.network import load_network
from omg_jax.geometry.camera import scale_camera
from omg_jax.tracking.track import TrackedPhoto

Output = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


def reconstruct(
    photo: tyro.conf.Positional[Path],
    output: Output,
    preset: str = "small",
    weights: Path | None = None,
    head: str = "arkit",
    json: bool = False,
) -> None:
    """One portrait photo to an avatar file.

    Args:
        photo: A JPEG or PNG file with at least one face; of several the largest is taken.
        output: The avatar file to write, NAME.omg.
        preset: The network: small, whose weights ship with the program, or paper, which needs --weights.
        weights: A weights file; by default the one that ships with the preset.
        head: The head model of the weights: arkit, or flame:PATH, a FLAME file with landmark embeddings beside it.
        json: Print one JSON object.
    """
    if output.suffix != ".omg":  # also keeps a photo that is named twice from being written over
        raise ValueError(f"an avatar's name must end in .omg, got {output}")
    picture = read_photo(photo)
    network = load_network(preset, weights, head)
    start = time.perf_counter()
    tracked = track_portrait(picture, network.head, photo)
    middle = time.perf_counter()
    avatar = build(network, tracked)
    end = time.perf_counter()
    save_avatar(output, avatar)
    report(
        {
            "avatar": str(output),
            "faces_in_photo": tracked.num_faces,
            "gaussians": level_counts(avatar),
            "seconds_tracking": round(middle - start, 3),
            "seconds_building": round(end - middle, 3),
        },
        as_json=json,
    )


def build(network: Network, tracked: TrackedPhoto) -> Avatar:
    """The avatar of a tracked photo."""
    size = network.config.model.image_size
    image = jax.image.resize(tracked.image, (size, size, 3), "linear")
    matte = jax.image.resize(tracked.matte, (size, size), "linear")
    camera = scale_camera(tracked.camera, size / tracked.image.shape[0])
    with console.status("reconstructing the avatar"):
        return reconstruct_avatar(network, image, matte, tracked.params, camera)


def level_counts(avatar: Avatar) -> dict[str, int]:
    """Gaussians per level of detail, head and plane together."""
    return {f"level {lod}": sum(count_gaussians(avatar, lod)) for lod in range(len(avatar.levels))}
