"""One avatar of a public-domain portrait, played at levels 0, 1 and 2: Gaussians, frames per second, and a picture.

    python experiments/level_of_detail.py

Writes results/level_of_detail.json and results/level_of_detail.jpg: the photo, and three frames of the shipped motion
at each level, refined. Frames per second are those of FRAMES, queued, at 512 x 512, from head parameters to the refined
picture.
"""

import numpy as np
from record import RESULTS, write_result
from rich.console import Console
from rich.table import Table

from omg_jax.assets.registry import asset_path
from omg_jax.avatar import count_gaussians, make_player
from omg_jax.cli.inputs import demo_motion, read_photo, track_portrait
from omg_jax.cli.network import load_network
from omg_jax.cli.playback import fit_motion, frame_rate, play
from omg_jax.cli.reconstruct import build
from omg_jax.cli.video import captioned, resized, to_bytes, write_picture
from omg_jax.memory import keep_freed_memory

FRAMES = range(0, 60, 2)
SHOWN = (0, 12, 24)  # of FRAMES
PANEL = 256  # pixels


def main() -> None:
    keep_freed_memory()
    network = load_network("small", None, "arkit")
    path = asset_path("astronaut")
    photo = track_portrait(read_photo(path), network.head, path)
    avatar = build(network, photo)
    motion = fit_motion(demo_motion(network.head), network.config.model.image_size)
    source = captioned(resized(to_bytes(photo.image), PANEL), "photo")
    rows, levels = [], {}
    table = Table("level", "head Gaussians", "plane Gaussians", "frames per second")
    for lod in range(len(avatar.levels)):
        player = make_player(network, avatar, lod)
        rate = frame_rate(player, motion, FRAMES)
        frames = list(play(player, motion, FRAMES))
        head, plane = count_gaussians(avatar, lod)
        levels[f"level {lod}"] = {"head_gaussians": head, "plane_gaussians": plane, "frames_per_second": rate}
        table.add_row(str(lod), str(head), str(plane), f"{rate:.2f}")
        panels = [resized(to_bytes(np.asarray(frames[i].refined)), PANEL) for i in SHOWN]
        rows.append(np.concatenate([source, *(captioned(panel, f"level {lod}") for panel in panels)], axis=1))
    write_picture(RESULTS / "level_of_detail.jpg", np.concatenate(rows))
    write_result("level_of_detail", "python experiments/level_of_detail.py", levels)
    Console().print(table)


if __name__ == "__main__":
    main()
