"""Photo and video to motion (the nets come through the assets registry)."""

import cv2
import jax
import numpy as np
import pytest
from skimage import data

from omg_jax.geometry.camera import PORTRAIT_FOCAL, portrait_intrinsics, world_to_pixels
from omg_jax.geometry.rotations import matrix_to_euler
from omg_jax.head.load import load_head
from omg_jax.head.model import head_landmarks, head_vertices
from omg_jax.tracking import people, track
from omg_jax.tracking.cost import FACING
from omg_jax.tracking.crop import PORTRAIT_SIZE, face_window, portrait_window, skull_vertices
from omg_jax.tracking.crops import points_to_picture
from omg_jax.tracking.face_mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from omg_jax.tracking.fit import fit_clip
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.motion import check_motion
from omg_jax.tracking.overlay import overlay_head
from omg_jax.tracking.people import everyone, most_central
from omg_jax.tracking.quality import compare
from omg_jax.tracking.reduce import reduce_to_landmarks
from omg_jax.tracking.solve import (
    TRACKED_FOCAL,
    Solution,
    bridge_gaps,
    fit_in_window,
    focal_pixels,
    observe_in,
    solution_motion,
    solve,
    spread,
)
from omg_jax.tracking.track import photo_motion, track_motion, track_people, track_photo, track_video
from tests.tolerances import FLOAT32_ROUNDING, REPEATED_DEGREES, REPEATED_LANDMARKS, TRACKED_LANDMARKS

SHIFT = 3  # pixels by which the head moves in each frame of the clip
NUM_FRAMES = 4


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut()


@pytest.fixture(scope="module")
def tracked(photo, head):
    return track_photo(photo.astype(np.float32) / 255.0, head)


@pytest.fixture(scope="module")
def clip(photo, tmp_path_factory):
    """The photo, moving to the right; the second frame shows nobody."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 20.0, (400, 300))
    for index in range(NUM_FRAMES):
        frame = np.roll(photo, SHIFT * index, axis=1)[:300, :400, ::-1]
        writer.write(np.zeros_like(frame) if index == 1 else frame)
    writer.release()
    return path


def landmarks_in_crop(params, camera, head) -> np.ndarray:
    return np.asarray(
        jax.jit(world_to_pixels)(camera, head_landmarks(head.model, jax.jit(head_vertices)(head.model, params)))[0]
    )


def test_the_heads_landmarks_lie_on_the_crops(tracked, head):
    crop = np.round(tracked.image * 255).astype(np.uint8)
    seen = FaceLandmarker()(crop).points[:, :2]
    errors = np.linalg.norm(landmarks_in_crop(tracked.params, tracked.camera, head) - seen, axis=-1)
    iod = np.linalg.norm(seen[RIGHT_EYE_OUTER] - seen[LEFT_EYE_OUTER])
    assert np.median(errors) / iod < TRACKED_LANDMARKS


def test_the_crop_is_the_papers(tracked):
    assert tracked.image.shape == (PORTRAIT_SIZE, PORTRAIT_SIZE, 3) and tracked.num_faces == 1
    assert 80 < tracked.face_width < 130  # pixels, from ear to ear in the photo
    assert tracked.image.min() >= 0.0 and 0.9 < tracked.image.max() <= 1.0
    expected = portrait_intrinsics((PORTRAIT_SIZE, PORTRAIT_SIZE), TRACKED_FOCAL)
    np.testing.assert_array_equal(tracked.camera.intrinsics, expected)
    assert 5.0 < tracked.camera.world_to_camera[2, 3] < 7.0
    assert tracked.matte[256, 256] == 1.0 and tracked.matte[20, 20] == 0.0


def test_the_pose_is_that_of_the_photo(tracked):
    """She looks into the camera, and smiles."""
    rotation = tracked.camera.world_to_camera[:3, :3] @ FACING
    assert np.abs(matrix_to_euler(jax.numpy.asarray(rotation))).max() < 0.3
    for fixed in (tracked.params.global_rotation, tracked.params.neck_pose, tracked.params.jaw_pose):
        assert not fixed.any()


def test_the_window_is_found_in_the_papers_camera(photo, head):
    """Seen from nearer the skull is narrower: ours must not be what the window's side is measured on."""
    seen, reduced = [FaceLandmarker()(photo)], reduce_to_landmarks(head)
    rough = face_window(seen[0].points[None])

    def side(focal: float) -> float:
        frames, shape = fit_clip(reduced, observe_in(seen, reduced, rough), focal_pixels(focal))
        motion = solution_motion(Solution(shape, frames, rough, focal), head, 1.0, "")
        params, camera = jax.tree.map(jax.numpy.asarray, (motion.head_params, motion.camera))
        pixels = np.asarray(world_to_pixels(camera, head_vertices(head.model, params))[0])[0, skull_vertices(head)]
        return portrait_window(points_to_picture(pixels, rough, PORTRAIT_SIZE)[None]).side

    assert solve(seen, head).window.side == pytest.approx(side(PORTRAIT_FOCAL), rel=1e-4)
    assert side(TRACKED_FOCAL) < 0.99 * side(PORTRAIT_FOCAL)


def test_the_same_frame_shifted_and_with_noise_gives_the_same_head(photo, head):
    """What differs between copies of a frame, once their shifts are taken back, is the tracker's unrest."""
    rng, landmarker, seen = np.random.default_rng(0), FaceLandmarker(), []
    size = photo.shape[1::-1]
    for _ in range(8):
        across, down = rng.uniform(-2.0, 2.0, 2)
        affine = np.array([[1.0, 0.0, across], [0.0, 1.0, down]])
        moved = cv2.warpAffine(photo, affine, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        noisy = np.clip(np.round(moved + rng.normal(0.0, 3.0, moved.shape)), 0, 255).astype(np.uint8)
        face = landmarker(noisy)
        seen.append(face._replace(points=face.points - np.array([across, down, 0.0], np.float32)))
    known = solve(seen[:1], head)
    again = fit_in_window(seen, head, known.window, known.shape)
    both = compare(again, seen, head)
    unrest = np.sqrt(both.fitted.var(axis=0).sum(axis=-1)).mean() / both.iod.mean()
    assert unrest < REPEATED_LANDMARKS
    yaw, pitch, _ = np.degrees(np.asarray(matrix_to_euler(again.frames.rotation))).std(axis=0)
    assert max(yaw, pitch) < REPEATED_DEGREES


def test_a_photo_is_a_motion_of_one_frame(tracked, head, tmp_path):
    motion = photo_motion(tracked, head, "astronaut.png")
    check_motion(tmp_path, motion, head)
    assert motion.camera.world_to_camera.shape == (1, 4, 4) and motion.image_size == (PORTRAIT_SIZE, PORTRAIT_SIZE)


def test_a_clip_has_one_crop_in_which_the_head_moves(clip, head):
    video = track_video(clip, head)
    assert video.images.shape == (NUM_FRAMES, PORTRAIT_SIZE, PORTRAIT_SIZE, 3)
    assert video.mattes.shape == (NUM_FRAMES, PORTRAIT_SIZE, PORTRAIT_SIZE)
    quality = video.clip.quality
    assert (quality.lost, quality.lost_frames, quality.faces, video.clip.motion.fps) == ([(1, 1)], 1, 1, 20.0)
    across = video.clip.motion.camera.world_to_camera[:, 0, 3]
    # The frame without a face holds a head on its way, so the picture is empty but the motion is not.
    assert across[0] < across[1] < across[2] < across[3]
    assert video.images[1].max() == 0


def test_motion_alone_is_the_same_motion_and_may_stop_early(clip, head):
    start, whole = track_motion(clip, head, max_frames=1), track_motion(clip, head)
    assert [len(one.motion.camera.world_to_camera) for one in (start, whole)] == [1, NUM_FRAMES]
    assert [(one.quality.faces, one.quality.lost_frames) for one in (start, whole)] == [(1, 0), (1, 1)]
    check_motion(clip, whole.motion, head)
    assert whole.motion.source == clip.name


def test_what_was_not_seen_lies_between_its_neighbours():
    a, b = (FaceLandmarks(np.full((478, 3), x), np.full(52, x), 0.9, np.full(4, x), 1) for x in (0.0, 3.0))
    bridged = bridge_gaps([None, a, None, None, b, None])
    assert [seen.presence for seen in bridged] == [0.0, 0.9, 0.0, 0.0, 0.9, 0.0]
    for values in zip(*((seen.points[0, 0], seen.scores[0], seen.box[0]) for seen in bridged), strict=True):
        np.testing.assert_allclose(values, [0.0, 0.0, 1.0, 2.0, 3.0, 3.0], **FLOAT32_ROUNDING)


@pytest.fixture(scope="module")
def two_shots(photo, tmp_path_factory):
    """Eight frames of the photo and its half beside it, then the half alone for ten."""
    path = tmp_path_factory.mktemp("shots") / "shots.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 20.0, (640, 300))
    both, half = np.zeros((300, 640, 3), np.uint8), np.full((300, 640, 3), 90, np.uint8)
    both[:, :400], both[40:296, 384:] = photo[:300, :400], photo[::2, ::2]
    half[40:296, 100:356] = photo[::2, ::2]
    for index in range(18):
        writer.write(np.ascontiguousarray((both if index < 8 else half)[..., ::-1]))
    writer.release()
    return path


def test_each_shot_and_person_has_a_motion(two_shots, head):
    clips = track_people(two_shots, head, choose=everyone)
    assert [(tuple(clip.frames), clip.person) for clip in clips] == [((0, 8), 0), ((0, 8), 1), ((8, 18), 0)]
    assert [clip.num_shots for clip in clips] == [2] * 3 and [clip.quality.faces for clip in clips] == [2, 2, 1]
    assert clips[0].window.side > 1.5 * clips[1].window.side
    assert abs(clips[0].window.centre[0] - 224) < 40 < 200 < clips[1].window.centre[0] - 224
    assert tuple(track_motion(two_shots, head).frames) == (8, 18)
    (central, _) = track_people(two_shots, head, choose=most_central)
    assert abs(central.window.centre[0] - clips[0].window.centre[0]) < 10


def test_work_that_was_stopped_goes_on_where_it_was(two_shots, head, tmp_path, monkeypatch):
    monkeypatch.setattr(people, "PART", 4)
    whole, looked = track_people(two_shots, head), []

    def stop(stage, done, total):
        if stage == "finding faces" and done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_people(two_shots, head, stop, parts=tmp_path / "parts")
    look = people._look
    monkeypatch.setattr(people, "_look", lambda *args: looked.append(1) or look(*args))
    again = track_people(two_shots, head, parts=tmp_path / "parts")
    assert len(looked) == 10 and not (tmp_path / "parts").exists()
    for one, other in zip(whole, again, strict=True):
        moved = [(clip.motion.camera, clip.motion.torso) for clip in (one, other)]
        jax.tree.map(np.testing.assert_array_equal, *moved)
        assert one.motion.torso.motion.shape == one.motion.camera.world_to_camera.shape


def test_nobody_in_the_photo_or_the_video(head, tmp_path):
    with pytest.raises(ValueError, match=r"no face found in wall.png \(128x96\)"):
        track_photo(np.zeros((96, 128, 3), np.float32), head, "wall.png")
    path = tmp_path / "empty.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 20.0, (96, 96))
    for _ in range(2):
        writer.write(np.zeros((96, 96, 3), np.uint8))
    writer.release()
    with pytest.raises(ValueError, match="no face found in any of the 2 frames"):
        track_motion(path, head)


def test_a_head_without_landmarks_is_refused_before_a_frame_is_read(head, monkeypatch):
    def read(*_):
        pytest.fail("a frame was read")

    monkeypatch.setattr(track, "FaceLandmarker", read)
    monkeypatch.setattr(track, "video_info", read)
    bare = head._replace(landmark_ids=head.landmark_ids[:0])
    with pytest.raises(ValueError, match="has 0 landmarks, but tracking needs"):
        track_photo(np.zeros((128, 128, 3), np.float32), bare)
    for track_clip in (track_motion, track_video):
        with pytest.raises(ValueError, match="has 0 landmarks, but tracking needs"):
            track_clip("clip.mp4", bare)


def test_overlay_draws_on_the_face_and_nowhere_else(tracked, head):
    crop = np.round(tracked.image * 255).astype(np.uint8)
    drawn = overlay_head(crop, head, tracked.params, tracked.camera)
    changed = np.any(drawn != crop, axis=-1)
    assert changed[200:320, 200:320].mean() > 0.3 and not changed[:, :40].any()


def test_spread_indices():
    assert spread(10, 4) == [0, 3, 6, 9]
    assert spread(3, 8) == [0, 1, 2]
    np.testing.assert_allclose(spread(1, 8), [0], **FLOAT32_ROUNDING)
