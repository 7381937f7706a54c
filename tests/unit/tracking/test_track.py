"""Photo and video to motion (the nets come through the assets registry)."""

import cv2
import jax
import numpy as np
import pytest
from skimage import data

from omg_jax.geometry.camera import portrait_intrinsics, world_to_pixels
from omg_jax.geometry.rotations import matrix_to_euler
from omg_jax.head.load import load_head
from omg_jax.head.model import head_landmarks, head_vertices
from omg_jax.tracking import track
from omg_jax.tracking.cost import FACING
from omg_jax.tracking.crop import PORTRAIT_SIZE
from omg_jax.tracking.face_mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from omg_jax.tracking.landmarks import FaceLandmarker, FaceLandmarks
from omg_jax.tracking.motion import check_motion
from omg_jax.tracking.overlay import overlay_head
from omg_jax.tracking.solve import spread
from omg_jax.tracking.track import fill_missing, photo_motion, track_motion, track_photo, track_video
from tests.tolerances import FLOAT32_ROUNDING, TRACKED_LANDMARKS

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
    np.testing.assert_array_equal(tracked.camera.intrinsics, portrait_intrinsics((PORTRAIT_SIZE, PORTRAIT_SIZE)))
    assert 7.0 < tracked.camera.world_to_camera[2, 3] < 11.0
    assert tracked.matte[256, 256] == 1.0 and tracked.matte[20, 20] == 0.0


def test_the_pose_is_that_of_the_photo(tracked):
    """She looks into the camera, and smiles."""
    rotation = tracked.camera.world_to_camera[:3, :3] @ FACING
    assert np.abs(matrix_to_euler(jax.numpy.asarray(rotation))).max() < 0.3
    for fixed in (tracked.params.global_rotation, tracked.params.neck_pose, tracked.params.jaw_pose):
        assert not fixed.any()


def test_a_photo_is_a_motion_of_one_frame(tracked, head, tmp_path):
    motion = photo_motion(tracked, head, "astronaut.png")
    check_motion(tmp_path, motion, head)
    assert motion.camera.world_to_camera.shape == (1, 4, 4) and motion.image_size == (PORTRAIT_SIZE, PORTRAIT_SIZE)


def test_a_clip_has_one_crop_in_which_the_head_moves(clip, head):
    video = track_video(clip, head)
    assert video.images.shape == (NUM_FRAMES, PORTRAIT_SIZE, PORTRAIT_SIZE, 3)
    assert video.mattes.shape == (NUM_FRAMES, PORTRAIT_SIZE, PORTRAIT_SIZE)
    assert video.num_missing == 1 and video.num_faces == 1 and video.motion.fps == 20.0
    across = video.motion.camera.world_to_camera[:, 0, 3]
    assert across[0] < across[2] < across[3]
    # The frame without a face holds a neighbour's head, so the picture is empty but the motion is not.
    assert video.images[1].max() == 0 and across[0] <= across[1] <= across[2]


def test_motion_alone_is_the_same_motion_and_may_stop_early(clip, head):
    start, whole = track_motion(clip, head, max_frames=1), track_motion(clip, head)
    assert [len(one.motion.camera.world_to_camera) for one in (start, whole)] == [1, NUM_FRAMES]
    assert [(one.num_faces, one.num_missing) for one in (start, whole)] == [(1, 0), (1, 1)]
    check_motion(clip, whole.motion, head)
    assert whole.motion.source == clip.name


def test_missing_frames_take_the_nearest():
    a, b = (FaceLandmarks(np.zeros((478, 3)), np.zeros(52), presence, np.zeros(4), 1) for presence in (0.8, 0.9))
    landmarks, missing = fill_missing([None, a, None, None, b, None])
    assert [seen.presence for seen in landmarks] == [0.8, 0.8, 0.8, 0.9, 0.9, 0.9] and missing == 4
    assert fill_missing([None, None]) == ([], 2)


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
    bare = head._replace(model=head.model._replace(landmark_faces=head.model.landmark_faces[:0]))
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
