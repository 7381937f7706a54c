"""``omg demo``: the whole story on bundled real input, from a photo to a reenactment at three levels of detail."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from omg_jax.assets import AssetError, asset_path
from omg_jax.avatar import count_gaussians, make_player
from omg_jax.avatar_file import Avatar, load_avatar, save_avatar
from omg_jax.cli.console import note, progress_bar, report, telling, tracked
from omg_jax.cli.inputs import demo_motion, face_facts, read_photo, track_portrait
from omg_jax.cli.mesh_picture import mesh_picture
from omg_jax.cli.network import load_network
from omg_jax.cli.playback import Player, fit_motion, frame_rate, motion_frame, num_frames, play
from omg_jax.cli.reconstruct import build
from omg_jax.cli.video import captioned, contact_sheet, resized, to_bytes, write_picture, write_video
from omg_jax.head.load import Head
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.track import track_video

SOURCE, DRIVER = "astronaut", "carphone"
VIDEO_SIZE, SHEET_SIZE = 384, 256  # pixels of one panel
SHEET_ROWS = 5
RATE_FRAMES = 16  # played for the frames per second of a level


class Driver(NamedTuple):
    """A motion and one picture per frame: the video's, or the moving head mesh where there is no video.

    faces: what the report says of the video's faces.
    """

    motion: Motion
    pictures: UInt8[np.ndarray, "t h w 3"]
    faces: dict[str, int]


def demo(output: Path = Path("demo"), weights: Path | None = None, json: bool = False) -> None:
    """Photo -> avatar -> reenactment on bundled real input.

    Writes avatar.omg, reenactment.mp4 (source, driver, coarse and refined render; the level of detail changes as it
    plays) and contact_sheet.png, and prints Gaussians and frames per second of each level.

    Args:
        output: The folder to write to.
        weights: A weights file of the small preset; by default the one that ships with the program.
        json: Print one JSON object.
    """
    start = time.perf_counter()
    network = load_network("small", weights, "arkit")
    path = asset_path(SOURCE)
    photo = track_portrait(read_photo(path), network.head, path)
    source = to_bytes(photo.image)
    save_avatar(output / "avatar.omg", build(network, photo))
    avatar = load_avatar(output / "avatar.omg")
    driver = demo_driver(network.head, network.config.model.image_size)
    players = [make_player(network, avatar, lod) for lod in range(len(avatar.levels))]
    rates = [frame_rate(player, driver.motion, range(RATE_FRAMES)) for player in players]
    reel = tracked(reel_frames(players, driver, source), "playing", total=len(driver.pictures))
    write_video(output / "reenactment.mp4", reel, driver.motion.fps)
    write_picture(output / "contact_sheet.png", sheet(players, driver, source))
    levels = {f"level {lod}": level_facts(avatar, lod, rate) for lod, rate in enumerate(rates)}
    spent = round(time.perf_counter() - start, 1)
    report({"output": str(output), "seconds": spent, **driver.faces, **levels}, as_json=json)


def demo_driver(head: Head, size: int) -> Driver:
    """The driver clip, tracked; where it cannot be had, the shipped motion with pictures of the head mesh."""
    try:
        clip = asset_path(DRIVER)
    except AssetError as error:
        note(f"driving with the shipped motion instead of a video: {error}")
        motion = fit_motion(demo_motion(head), size)
        frames = range(num_frames(motion))
        return Driver(motion, np.stack([mesh_picture(head, *motion_frame(motion, i), size) for i in frames]), {})
    with progress_bar() as progress:
        video = track_video(clip, head, telling(progress))
    return Driver(fit_motion(video.clip.motion, size), video.images, face_facts(video.clip))


def reel_frames(
    players: list[Player], driver: Driver, source: UInt8[np.ndarray, "h w 3"]
) -> Iterator[UInt8[np.ndarray, "h2 w2 3"]]:
    """The reenactment's panels; each level plays its share of the driver."""
    for lod, share in enumerate(np.array_split(np.arange(len(driver.pictures)), len(players))):
        indices = share.tolist()
        for index, frame in zip(indices, play(players[lod], driver.motion, indices), strict=True):
            panels = {
                "source": source,
                "driver": driver.pictures[index],
                f"level {lod}, coarse": to_bytes(frame.coarse),
                f"level {lod}, refined": to_bytes(frame.refined),
            }
            yield np.concatenate([captioned(resized(p, VIDEO_SIZE), name) for name, p in panels.items()], axis=1)


def sheet(players: list[Player], driver: Driver, source: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Some of the driver's frames, one per row, beside the avatar at every level of detail."""
    indices = np.linspace(0, len(driver.pictures) - 1, SHEET_ROWS).round().astype(int).tolist()
    rows = [[source, driver.pictures[index]] for index in indices]
    captions = ["source", "driver"]
    for lod, player in enumerate(players):
        captions += [f"level {lod}, coarse", f"level {lod}, refined"]
        for row, frame in zip(rows, play(player, driver.motion, indices), strict=True):
            row += [to_bytes(frame.coarse), to_bytes(frame.refined)]
    return contact_sheet([[resized(picture, SHEET_SIZE) for picture in row] for row in rows], captions)


def level_facts(avatar: Avatar, lod: int, rate: float) -> dict[str, float]:
    """Gaussians and speed of one level of detail."""
    head, plane = count_gaussians(avatar, lod)
    return {"head_gaussians": head, "plane_gaussians": plane, "frames_per_second": round(rate, 2)}
