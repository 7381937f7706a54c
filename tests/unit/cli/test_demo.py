"""The demo's video and contact sheet, with players that paint what they were given."""

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.assets import AssetError
from omg_jax.avatar import Frame
from omg_jax.cli import demo
from omg_jax.cli.demo import SHEET_ROWS, SHEET_SIZE, VIDEO_SIZE, Driver, demo_driver, reel_frames, sheet
from omg_jax.cli.video import CAPTION_HEIGHT
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.tracking.motion import Motion
from omg_jax.types import Camera

COUNT, SIZE, LEVELS = 7, 32, 3
SOURCE = 255  # grey level of the source picture


def painter(level: int):
    """A player whose coarse picture is 10 x level, and whose refined one is that plus 5, of 255."""

    def play(params, camera):
        coarse = jnp.full((SIZE, SIZE, 3), 10.0 * level / 255.0)
        return Frame(coarse, coarse + 5.0 / 255.0, coarse[..., 0])

    return play


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture
def driver(head) -> Driver:
    """A motion whose frame i has a picture of grey level 100 + i."""
    world_to_camera = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    world_to_camera[2, 3] = 9.5
    matrices = (world_to_camera, np.asarray(portrait_intrinsics((SIZE, SIZE))))
    camera = Camera(*(np.tile(matrix, (COUNT, 1, 1)) for matrix in matrices))
    params = zero_params(head.model, (COUNT,))
    motion = Motion(params, camera, (SIZE, SIZE), 25.0, head.name, head.sha256, "a test")
    pictures = np.broadcast_to((100 + np.arange(COUNT, dtype=np.uint8))[:, None, None, None], (COUNT, SIZE, SIZE, 3))
    return Driver(motion, pictures, {})


def source() -> np.ndarray:
    return np.full((SIZE, SIZE, 3), SOURCE, np.uint8)


def greys(picture: np.ndarray, top: int, side: int) -> list[int]:
    """The grey levels at the centres of a row of panels."""
    row = picture[top + side // 2, side // 2 :: side, 0]
    return [int(value) for value in row]


def test_the_reel_shows_every_driver_frame_once_and_every_level(driver):
    frames = list(reel_frames([painter(k) for k in range(LEVELS)], driver, source()))
    rows = [greys(frame, CAPTION_HEIGHT, VIDEO_SIZE) for frame in frames]
    levels = [0, 0, 0, 1, 1, 2, 2]
    assert rows == [[SOURCE, 100 + i, 10 * level, 10 * level + 5] for i, level in enumerate(levels)]


def test_the_sheet_shows_every_level_beside_source_and_driver(driver):
    picture = sheet([painter(k) for k in range(LEVELS)], driver, source())
    assert picture.shape == (CAPTION_HEIGHT + SHEET_ROWS * SHEET_SIZE, (2 + 2 * LEVELS) * SHEET_SIZE, 3)
    first = greys(picture, CAPTION_HEIGHT, SHEET_SIZE)
    last = greys(picture, CAPTION_HEIGHT + (SHEET_ROWS - 1) * SHEET_SIZE, SHEET_SIZE)
    renders = [value for k in range(LEVELS) for value in (10 * k, 10 * k + 5)]
    assert first == [SOURCE, 100, *renders]
    assert last == [SOURCE, 100 + COUNT - 1, *renders]


def test_without_the_clip_the_shipped_motion_drives_a_mesh(monkeypatch, driver, head):
    def cannot_have(name):
        raise AssetError("there is no network")

    monkeypatch.setattr(demo, "asset_path", cannot_have)
    monkeypatch.setattr(demo, "demo_motion", lambda head: driver.motion)
    stand_in = demo_driver(head, 64)
    assert stand_in.motion.image_size == (64, 64)
    assert stand_in.pictures.shape == (COUNT, 64, 64, 3)
    covered = (stand_in.pictures[0] > 0).mean()
    assert 0.05 < covered < 0.6  # a head on black: neither nothing nor everything
