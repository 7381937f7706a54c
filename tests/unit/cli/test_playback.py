"""Playing a motion: frames, cameras, levels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.avatar import Frame
from omg_jax.cli import playback
from omg_jax.cli.playback import choose_level, first_frames, fit_motion, motion_frame, num_frames, play, views
from omg_jax.geometry.camera import camera_centre, portrait_intrinsics, world_to_camera_points, world_to_pixels
from omg_jax.geometry.rotations import euler_to_matrix
from omg_jax.head.shoulders import Shoulders, place_shoulders
from omg_jax.tracking.motion import Motion
from omg_jax.types import Camera, Gaussians, HeadParams, Torso
from tests.tolerances import CAMERA_DEGREES, EXACT, FLOAT32_ROUNDING, PIXEL_POSITIONS, SKINNING

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
    frames = [float(frame.coarse[0, 0, 0]) for frame in play(echo, motion(), range(0, 8, 2))]
    assert frames == [0.0, 2.0, 4.0, 6.0]


def test_play_looks_through_the_views():
    def player(params, camera, view):
        return float(camera.world_to_camera[2, 3]), float(view.world_to_camera[2, 3])

    moved = jax.tree.map(np.copy, motion().camera)
    moved.world_to_camera[:, 2, 3] += np.arange(8)
    assert list(play(player, motion(), [0, 3], moved)) == [(DISTANCE, DISTANCE), (DISTANCE, DISTANCE + 3)]


def test_play_tells_how_the_torso_stands():
    def player(params, camera, view, torso):
        assert view is None
        return float(torso.motion[0, 3])

    poses = np.zeros((8, 4, 4), np.float32)
    poses[:, 0, 3] = np.arange(8)
    followed = motion()._replace(torso=Torso(poses, motion().camera.world_to_camera))
    assert list(play(player, followed, [0, 3])) == [0.0, 3.0]
    assert first_frames(followed, 3).torso.motion.shape == (3, 4, 4)


def test_the_next_frames_are_under_way_while_one_is_looked_at():
    asked = []

    def player(params, camera):
        asked.append(float(params.expression_params[0]))
        return asked[-1]

    frames = play(player, motion(), range(8))
    assert next(frames) == 0.0
    assert asked == [float(i) for i in range(1 + playback.FRAMES_AHEAD)]
    assert list(frames) == [float(i) for i in range(1, 8)]


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


def yaws_of(camera: Camera) -> np.ndarray:
    """Degrees by which cameras stand to the subject's left."""
    centres = np.asarray(camera_centre(camera))
    np.testing.assert_allclose(np.linalg.norm(centres, axis=-1), DISTANCE, **FLOAT32_ROUNDING)
    return np.degrees(np.arctan2(centres[:, 0], centres[:, 2]))


def test_orbit_swings_to_both_sides_and_keeps_the_distance():
    expected = 30.0 * np.sin(2.0 * np.pi * np.arange(8) / 8)
    np.testing.assert_allclose(yaws_of(views(motion(count=8), orbit=30.0)), expected, **CAMERA_DEGREES)


def test_yaw_and_pitch_move_the_camera_to_the_left_and_up():
    moved = views(motion(), yaw=40.0, pitch=20.0)
    np.testing.assert_allclose(yaws_of(moved), 40.0, **CAMERA_DEGREES)
    height = np.asarray(camera_centre(moved))[:, 1]
    np.testing.assert_allclose(np.degrees(np.arcsin(height / DISTANCE)), 20.0, **CAMERA_DEGREES)
    pixels, _ = world_to_pixels(moved, jnp.zeros((8, 1, 3)))
    np.testing.assert_allclose(pixels, 256.0, **FLOAT32_ROUNDING)  # it still looks at the head


def nodding(count: int = 8) -> Motion:
    """The head nods, turns and tilts under the camera."""
    angles = 0.4 * np.sin(np.arange(3 * count, dtype=np.float32)).reshape(count, 3)
    still = motion(count)
    turned = still.camera.world_to_camera.copy()
    turned[:, :3, :3] = np.asarray(euler_to_matrix(jnp.asarray(angles))) @ turned[:, :3, :3]
    return still._replace(camera=still.camera._replace(world_to_camera=turned))


@pytest.mark.parametrize("moved", [{"yaw": 30.0}, {"pitch": 20.0}, {"yaw": -40.0, "pitch": 15.0}])
def test_shoulders_that_stay_do_not_roll_under_a_view(moved):
    """A driven head nods; from wherever the camera looks, the line of the shoulders keeps its place in the picture."""
    driven, photo = nodding(), motion(1).camera.world_to_camera[0, :3, :3]
    line = jnp.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0]])
    rest = Gaussians(line, jnp.eye(4)[jnp.zeros(2, int)], jnp.ones((2, 3)), jnp.ones(2), jnp.ones((2, 3)))
    shoulders = Shoulders(jnp.ones(2), jnp.zeros(3), jnp.asarray(photo))
    seen = []
    for index in range(num_frames(driven)):
        held = place_shoulders(rest, shoulders, motion_frame(driven, index)[1])
        view = jax.tree.map(lambda x, i=index: x[i], views(driven, **moved))
        seen.append(world_to_camera_points(view, held.means))
    at_rest = jax.tree.map(lambda x: x[0], views(motion(1), **moved))
    np.testing.assert_allclose(seen, np.tile(world_to_camera_points(at_rest, line), (len(seen), 1, 1)), **SKINNING)


def test_zoom_enlarges_around_the_middle():
    points = jnp.asarray([[[0.1, -0.2, 0.3]]])
    before, after = (world_to_pixels(views(motion(), zoom=zoom), points)[0] - 256.0 for zoom in (1.0, 1.5))
    np.testing.assert_allclose(after, 1.5 * before, **PIXEL_POSITIONS)


def test_no_view_leaves_the_camera():
    for ours, theirs in zip(views(motion()), motion().camera, strict=True):
        np.testing.assert_allclose(ours, theirs, **EXACT)


@pytest.mark.parametrize(
    ("seconds", "fps", "level"),
    [
        ((0.01, 0.01, 0.01), None, 2),
        ((0.01, 0.01, 0.5), None, 1),
        ((0.01, 0.5, 0.5), None, 0),
        ((0.5, 0.5, 0.5), None, 0),
        ((0.01, 0.01, 0.01), 200.0, 0),
        ((0.01, 0.01, 0.5), 2.0, 2),
    ],
)
def test_auto_takes_the_finest_level_that_keeps_up(monkeypatch, seconds, fps, level):
    now, made = [0.0], []
    monkeypatch.setattr(playback.time, "perf_counter", lambda: now[0])

    def make(lod):
        def player(params, camera):
            now[0] += seconds[lod]
            return echo(params, camera)

        made.append(player)
        return player

    choice = choose_level(make, 3, motion(), fps)
    assert choice.lod == level
    assert len(made) == 3 - level and choice.player is made[-1]  # made once: making it again would compile again
    expected = {lod: 1.0 / seconds[lod] for lod in range(level, 3)}
    assert choice.rates == pytest.approx(expected)


def test_auto_measures_what_will_be_played():
    """The probe looks through the views: a level that only they make slow is not taken."""
    seen, cameras = [], views(motion(), zoom=2.0)

    def player(params, camera, view):
        seen.append(view.intrinsics)
        return jnp.zeros((2, 2, 3), jnp.uint8)

    choose_level(lambda lod: player, 1, motion(), views=cameras)
    np.testing.assert_allclose(seen, cameras.intrinsics[np.array([0, *range(playback.PROBE_FRAMES)])], **EXACT)
