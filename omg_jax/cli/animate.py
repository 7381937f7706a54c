"""``omg animate``: an avatar and a motion to an mp4."""

import time
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro

from omg_jax.avatar import as_bytes, count_gaussians, make_player
from omg_jax.avatar_file import load_avatar
from omg_jax.cli.console import console, report, tracked
from omg_jax.cli.inputs import check_max_frames, check_positive, demo_motion, read_driver
from omg_jax.cli.network import load_network
from omg_jax.cli.playback import Player, choose_level, first_frames, fit_motion, num_frames, play, views
from omg_jax.cli.video import check_video_name, write_video


def animate(
    avatar: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    driver: Path | None = None,
    lod: Literal["0", "1", "2", "auto"] = "auto",
    fps: float | None = None,
    orbit: float = 0.0,
    yaw: float = 0.0,
    pitch: float = 0.0,
    zoom: float = 1.0,
    shoulders: Literal["tracked", "still", "follow"] = "tracked",
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
        lod: The level of detail; auto takes the finest that this machine plays at --fps, else 0.
        fps: The frame rate that --lod auto must hold, by default the driver's; another --lod ignores it. The video
            keeps the driver's.
        orbit: Degrees by which the camera swings around the head, to either side.
        yaw: Degrees by which the camera stands to the picture's right.
        pitch: Degrees by which the camera stands higher.
        zoom: Enlarges the picture by this factor.
        shoulders: tracked moves them as the driver's torso; still keeps them as the photo shows them, and so does
            tracked where the motion file has no torso; follow turns them with the head, as the paper does.
        refiner: Refine the picture by the network; --no-refiner saves its time and shows the splatted colours.
        max_frames: Play only so many frames of the driver.
        weights: The weights file that the avatar was made with; by default the one that ships with its preset.
        head: The head model that the avatar was made with.
        json: Print one JSON object.
    """
    check_video_name(output)
    check_max_frames(max_frames)
    check_positive("--fps", fps)
    check_positive("--zoom", zoom)
    person = load_avatar(avatar)
    network = load_network(person.meta.preset, weights, head, for_photos=False)
    motion, faces = read_driver(driver, network.head, max_frames) if driver else (demo_motion(network.head), {})
    motion = fit_motion(first_frames(motion, max_frames), network.config.model.image_size)
    motion = motion if shoulders == "tracked" else motion._replace(torso=None)
    cameras = views(motion, orbit=orbit, yaw=yaw, pitch=pitch, zoom=zoom)

    def shown_player(lod: int) -> Player:
        player = make_player(network, person, lod, refine=refiner, shoulders_follow=shoulders == "follow")

        def picture(*frame):
            shown = as_bytes(player(*frame).refined)
            shown.copy_to_host_async()
            return shown

        return picture

    if lod == "auto":
        level, picture, rates = choose_level(shown_player, len(person.levels), motion, fps, cameras)
    else:
        level, picture, rates = int(lod), shown_player(int(lod)), {}
    jax.block_until_ready(list(play(picture, motion, [0], cameras)))  # compiles
    start = time.perf_counter()
    pictures = play(picture, motion, range(num_frames(motion)), cameras)
    count = write_video(output, tracked(pictures, f"playing level {level}", num_frames(motion)), motion.fps)
    seconds = time.perf_counter() - start
    if not json:
        console.print(f"{output}: {count} frames at level {level}")
    report(
        {
            "video": str(output),
            "frames": count,
            "level": level,
            "gaussians": sum(count_gaussians(person, level)),
            "frames_per_second": round(count / seconds, 2),
            **{f"frames_per_second_level_{k}": round(rate, 2) for k, rate in rates.items()},
            **faces,
        },
        as_json=json,
    )
