"""Playing a motion: frames, cameras, levels."""

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.avatar import Frame
from omg_jax.cli import playback
from omg_jax.cli.playback import choose_level, first_frames, fit_motion, motion_frame, num_frames, orbit_motion, play
from omg_jax.geometry.camera import camera_centre, portrait_intrinsics, world_to_pixels
from omg_jax.tracking.motion import Motion
from omg_jax.types import Camera, HeadParams
from tests.tolerances import FLOAT32_ROUNDING

DISTANCE = 9.5


def motion(count: int = 8, size: int = 512) -> Motion:
    """A head that opens its mouth a little more in every frame, seen from the front."""
    widths = {"shape_params": 4, "expression_params": 5, "eye_pose": 6}
    params = HeadParams(*(np.zeros((count, widths.get(name, 3)), np.float32) for name in HeadParams._fields))
    params = params._replace(expression_params=np.arange(count, dtype=np.float32)[:, None] * np.ones(5, np.float32))
    world_to_camera = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    world_to_camera[2, 3] = DISTANCE
    intrinsics = np.asarray(portrait_intrinsics((size, size)))
    camera = Camera(np.tile(world_to_camera, (count, 1, 1)), np.tile(intrinsics, (count, 1, 1)))
    return Motion(params, camera, (size, size), 25.0, "arkit", "a" * 64, "a test")


def echo(params: HeadParams, camera: Camera) -> Frame:
    """A player whose picture shows the frame's expression."""
    picture = jnp.full((2, 2, 3), params.expression_params[0])
    return Frame(coarse=picture, refined=picture + 100.0, alpha=picture[..., 0])


def test_play_yields_the_asked_frames_in_order():
    frames = [float(frame.coarse[0, 0, 0]) for frame, _ in play(echo, motion(), range(2, 7, 2))]
    assert frames == [2.0, 4.0, 6.0]


def test_play_times_every_frame():
    assert all(seconds > 0 for _, seconds in play(echo, motion(), range(3)))


def test_motion_frame_keeps_the_parameters_apart():
    params, camera = motion_frame(motion(), 3)
    assert params.eye_pose.shape == (6,)
    assert float(params.expression_params[0]) == 3.0
    assert camera.world_to_camera.shape == (4, 4)


def test_first_frames_cuts_every_part():
    start = first_frames(motion(count=8), 3)
    assert {len(part) for part in (*start.head_params, *start.camera)} == {3}
    assert float(motion_frame(start, 2)[0].expression_params[0]) == 2.0
    assert num_frames(first_frames(motion(count=8), None)) == num_frames(first_frames(motion(count=8), 9)) == 8


def test_fit_motion_scales_what_the_camera_sees():
    points = jnp.asarray([[0.3, -0.2, 0.1]])
    large, small = motion(size=512), fit_motion(motion(size=512), 128)
    assert small.image_size == (128, 128)
    before, _ = world_to_pixels(motion_frame(large, 0)[1], points)
    after, _ = world_to_pixels(motion_frame(small, 0)[1], points)
    np.testing.assert_allclose(after, before / 4.0, **FLOAT32_ROUNDING)


def test_fit_motion_refuses_pictures_that_are_not_square():
    with pytest.raises(ValueError, match="square"):
        fit_motion(motion()._replace(image_size=(512, 640)), 128)


def test_orbit_swings_to_both_sides_and_keeps_the_distance():
    turned = orbit_motion(motion(count=8), 30.0)
    centres = np.asarray(camera_centre(turned.camera))
    np.testing.assert_allclose(np.linalg.norm(centres, axis=-1), DISTANCE, **FLOAT32_ROUNDING)
    yaws = np.degrees(np.arctan2(centres[:, 0], centres[:, 2]))
    expected = 30.0 * np.sin(2.0 * np.pi * np.arange(8) / 8)
    np.testing.assert_allclose(np.abs(yaws), np.abs(expected), **FLOAT32_ROUNDING)
    assert yaws.max() > 0 > yaws.min()


def test_no_orbit_leaves_the_camera():
    np.testing.assert_array_equal(orbit_motion(motion(), 0.0).camera.world_to_camera, motion().camera.world_to_camera)


@pytest.mark.parametrize(
    ("seconds", "level"),
    [((0.01, 0.01, 0.01), 2), ((0.01, 0.01, 0.5), 1), ((0.01, 0.5, 0.5), 0), ((0.5, 0.5, 0.5), 0)],
)
def test_auto_takes_the_finest_level_that_keeps_up(monkeypatch, seconds, level):
    now, made = [0.0], []
    monkeypatch.setattr(playback.time, "perf_counter", lambda: now[0])

    def make(lod):
        def player(params, camera):
            now[0] += seconds[lod]
            return echo(params, camera)

        made.append(player)
        return player

    chosen, player = choose_level(make, 3, motion())
    assert chosen == level
    assert len(made) == 3 - level and player is made[-1]  # each level is made once: making it again would compile again
