"""Figure 9 of the paper, novel views of a photo, at every level of detail: results/figure_9_novel_views.jpg and .json.

    python experiments/figure_9_novel_views.py

Needs nothing but what `omg assets` fetches: the photo is the demo's, in the public domain. The head keeps the photo's
pose and expression; the camera moves around it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import UInt8
from record import RESULTS, write_result

from omg_jax.assets.registry import asset_path
from omg_jax.avatar import Avatar, Network, make_player
from omg_jax.cli.inputs import read_photo, track_portrait
from omg_jax.cli.network import load_network
from omg_jax.cli.reconstruct import build
from omg_jax.cli.video import captioned, resized, to_bytes, write_picture
from omg_jax.geometry.camera import circle_camera
from omg_jax.memory import keep_freed_memory
from omg_jax.tracking.track import TrackedPhoto

YAWS, PITCHES = (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0), (20.0, 0.0, -20.0)  # degrees


@dataclass
class Options:
    """Whose views, by which network."""

    photo: Path | None = None
    """A portrait photo; by default the demo's."""
    weights: Path | None = None
    """Weights file; by default the one that ships with the preset."""
    preset: str = "small"
    """The network's preset."""
    head: str = "arkit"
    """Head model of the weights."""
    output: Path = RESULTS / "figure_9_novel_views.jpg"
    """The picture."""
    panel: int = 144
    """Side of one view, pixels."""


def main(options: Options) -> None:
    keep_freed_memory()
    network = load_network(options.preset, options.weights, options.head)
    path = options.photo or asset_path("astronaut")
    photo = track_portrait(read_photo(path), network.head, path)
    avatar = build(network, photo)
    levels = range(len(avatar.levels))
    write_picture(
        options.output, np.concatenate([views_of(network, avatar, photo, lod, options.panel) for lod in levels])
    )
    facts = {"yaws_degrees": YAWS, "pitches_degrees": PITCHES, "levels": list(levels)}
    facts |= {"weights_sha256": network.weights_sha256, "photo": "astronaut" if options.photo is None else "FILE"}
    given = "" if options.photo is None else " --photo FILE"
    write_result("figure_9_novel_views", f"python experiments/figure_9_novel_views.py{given}", facts)


def views_of(network: Network, avatar: Avatar, photo: TrackedPhoto, lod: int, size: int) -> UInt8[np.ndarray, "h w 3"]:
    """A row for every pitch, a column for every yaw, under a caption."""
    player, rows = make_player(network, avatar, lod), []
    for pitch in PITCHES:
        views = [circle_camera(avatar.source_camera, *np.radians((yaw, pitch))) for yaw in YAWS]
        frames = [player(photo.params, avatar.source_camera, view).refined for view in views]
        rows.append(np.concatenate([resized(to_bytes(frame), size) for frame in frames], axis=1))
    angles = f"yaw {YAWS[0]:+.0f}° to {YAWS[-1]:+.0f}°, pitch {PITCHES[0]:+.0f}° to {PITCHES[-1]:+.0f}°"
    return captioned(np.concatenate(rows), f"level {lod}: {angles}")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
