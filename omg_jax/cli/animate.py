"""``omg animate``: an avatar and a motion to an mp4."""

import functools
from pathlib import Path
from typing import Annotated, Literal

import tyro

from omg_jax.avatar import count_gaussians, make_player
from omg_jax.avatar_file import load_avatar
from omg_jax.cli.console import console, report, tracked
from omg_jax.cli.inputs import check_max_frames, demo_motion, read_driver
from omg_jax.cli.network import load_network
from omg_jax.cli.playback import choose_level, first_frames, fit_motion, num_frames, orbit_motion, play
from omg_jax.cli.video import check_video_name, to_bytes, write_video


def animate(
    avatar: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    driver: Path | None = None,
    lod: Literal["0", "1", "2", "auto"] = "auto",
    orbit: float = 0.0,
    refiner: bool = True,
    max_frames: int | None = None,
    weights: Path | None = None,
    head: str = "arkit",
    json: bool = False,
) -> None:
    """An avatar file and a motion to an mp4.

    Args:
        avatar: An avatar file.
        output: The video to write, NAME.mp4.
        driver: A motion file (.npz, from omg track) or a video to track; by default the shipped motion.
        lod: The level of detail; auto takes the finest that this machine plays at the driver's frame rate, else 0.
        orbit: Degrees by which the camera swings around the head, to either side.
        refiner: Refine the picture by the network; --no-refiner saves its time and shows the splatted colours.
        max_frames: Play only so many frames of the driver.
        weights: The weights file that the avatar was made with; by default the one that ships with its preset.
        head: The head model that the avatar was made with.
        json: Print one JSON object.
    """
    check_video_name(output)
    check_max_frames(max_frames)
    person = load_avatar(avatar)
    network = load_network(person.meta.preset, weights, head, for_photos=False)
    motion, faces = read_driver(driver, network.head, max_frames) if driver else (demo_motion(network.head), {})
    motion = fit_motion(first_frames(motion, max_frames), network.config.model.image_size)
    motion = orbit_motion(motion, orbit)
    make = functools.partial(make_player, network, person, refine=refiner)
    level, player = choose_level(make, len(person.levels), motion) if lod == "auto" else (int(lod), make(int(lod)))
    seconds = []

    def pictures():
        frames = play(player, motion, range(num_frames(motion)))
        for frame, spent in tracked(frames, f"playing level {level}", num_frames(motion)):
            seconds.append(spent)
            yield to_bytes(frame.refined)

    count = write_video(output, pictures(), motion.fps)
    if not json:
        console.print(f"{output}: {count} frames at level {level}")
    report(
        {
            "video": str(output),
            "frames": count,
            "level": level,
            "gaussians": sum(count_gaussians(person, level)),
            "frames_per_second": round(count / sum(seconds), 2),
            **faces,
        },
        as_json=json,
    )
