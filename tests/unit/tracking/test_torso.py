"""The torso is followed where it can be seen, and goes with the head where it cannot."""

import cv2
import numpy as np
import pytest

from omg_jax.geometry.camera import PORTRAIT_FOCAL, portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.head.model import JOINT_NAMES, joint_positions, zero_params
from omg_jax.tracking.crop import PORTRAIT_SIZE
from omg_jax.tracking.crops import SquareCrop
from omg_jax.tracking.landmarks import FaceLandmarks
from omg_jax.tracking.motion import Motion
from omg_jax.tracking.torso import SIZES, TorsoFollower, follow_torso
from omg_jax.types import Camera, HeadParams
from tests.tolerances import FLOAT32_ROUNDING, TORSO_ANGLE, TORSO_CORNERS, TORSO_PLACES, TORSO_SIZE

SIZE = SIZES[-1]
WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
PIVOT = np.array([0.5, 0.7])
CHIN = 0.6
DISTANCE = 10.0  # world units
MOTIONS = {
    "still": (0.0, 0.0, 0.0, 0.0),
    "right and up": (0.0, 0.0, 0.05, -0.06),
    "leaning": (0.0, 0.2, -0.04, 0.0),
    "nearer": (0.08, 0.0, 0.0, 0.03),
}


def similarity(unknowns) -> np.ndarray:
    """The 2 x 3 matrix of a torso's motion, in pixels from the centre of pixel (0, 0)."""
    growth, turn, *shift = unknowns
    linear = np.array([[1.0 + growth, -turn], [turn, 1.0 + growth]])
    pivot = PIVOT * SIZE - 0.5
    return np.column_stack([linear, pivot + np.array(shift) * SIZE - linear @ pivot])


@pytest.fixture(scope="module")
def clothes() -> tuple[np.ndarray, np.ndarray]:
    """A picture with a patterned torso on an even wall, and the torso's pixels."""
    rng = np.random.default_rng(0)
    pattern = cv2.GaussianBlur(rng.uniform(size=(SIZE, SIZE, 3)).astype(np.float32), (0, 0), 2.5)
    pattern = (pattern - pattern.mean()) / pattern.std() * 40.0 + 100.0
    rows, columns = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE
    torso = (rows > 0.65) & (abs(columns - 0.5) < 0.2 + 0.5 * (rows - 0.65))
    return np.where(torso[..., None], np.clip(pattern, 0, 255), 200.0).astype(np.uint8), torso


def moved(picture: np.ndarray, unknowns) -> np.ndarray:
    return cv2.warpAffine(picture, similarity(unknowns), (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)


def assert_close(found, unknowns):
    np.testing.assert_allclose(found[0], unknowns[0], **TORSO_SIZE)
    np.testing.assert_allclose(found[1], unknowns[1], **TORSO_ANGLE)
    np.testing.assert_allclose(found[2:], unknowns[2:], **TORSO_PLACES)


@pytest.mark.parametrize("name", MOTIONS)
def test_a_torso_is_found_where_it_moved(clothes, name):
    picture, torso = clothes
    follower = TorsoFollower(picture, torso, PIVOT, WHOLE)
    for share in (0.25, 0.5, 0.75, 1.0):
        unknowns = share * np.array(MOTIONS[name])
        found = follower(moved(picture, unknowns), CHIN, np.zeros(4))
    assert_close(found, unknowns)


@pytest.mark.parametrize("frame", [(0.0, 0.0, 1.0, 0.88), (0.2, 0.0, 1.0, 1.0), (0.0, 0.0, 0.8, 0.9)])
def test_the_edge_of_the_video_stays_where_it_is(clothes, frame):
    """What lies beyond it repeats its edge, and is no part of the torso."""
    picture, torso = clothes
    left, top, right, bottom = (round(edge * SIZE) for edge in frame)
    unknowns = np.array(MOTIONS["right and up"])

    def seen(whole: np.ndarray) -> np.ndarray:
        inside = whole[top:bottom, left:right]
        return np.pad(inside, ((top, SIZE - bottom), (left, SIZE - right), (0, 0)), mode="edge")

    within = np.zeros_like(torso)
    within[top:bottom, left:right] = torso[top:bottom, left:right]
    follower = TorsoFollower(seen(picture), within, PIVOT, np.array(frame))
    assert_close(follower(seen(moved(picture, unknowns)), CHIN, np.zeros(4)), unknowns)


def test_what_covers_a_torso_does_not_move_it(clothes):
    picture, torso = clothes
    unknowns = np.array(MOTIONS["right and up"])
    covered = moved(picture, unknowns)
    covered[90:, 40:60] = (255, 0, 0)  # a hand, before a seventh of it
    assert_close(TorsoFollower(picture, torso, PIVOT, WHOLE)(covered, CHIN, np.zeros(4)), unknowns)


def test_who_is_lost_is_found_again(clothes):
    """A frame in which nothing is right does not lead the next one astray."""
    picture, torso = clothes
    follower = TorsoFollower(picture, torso, PIVOT, WHOLE)
    follower(np.random.default_rng(1).integers(0, 255, picture.shape).astype(np.uint8), CHIN, np.zeros(4))
    assert_close(follower(picture, CHIN, np.zeros(4)), np.zeros(4))


def test_a_torso_of_which_nothing_is_seen_goes_with_the_head(clothes):
    picture, torso = clothes
    expected = np.array([0.02, 0.0, 0.1, -0.05])
    plain = np.full_like(picture, 120)
    np.testing.assert_allclose(TorsoFollower(plain, torso, PIVOT, WHOLE)(plain, CHIN, expected), expected)
    assert not TorsoFollower(picture, np.zeros_like(torso), PIVOT, WHOLE).has_template


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


def head_motion(head, shifts: np.ndarray) -> Motion:
    """A head that faces the camera and moves across it by some world units."""
    params = HeadParams(*(np.asarray(x) for x in zero_params(head.model, (len(shifts),))))
    pose = np.tile(np.diag([1.0, -1.0, -1.0, 1.0]), (len(shifts), 1, 1))
    pose[:, 0, 3], pose[:, 2, 3] = shifts, DISTANCE
    intrinsics = np.tile(np.asarray(portrait_intrinsics((PORTRAIT_SIZE, PORTRAIT_SIZE))), (len(shifts), 1, 1))
    return Motion(params, Camera(pose, intrinsics), (512, 512), 25.0, head.name, head.sha256, "a test")


def face(x: float) -> FaceLandmarks:
    """Landmarks around a place; the chin at CHIN."""
    points = np.array([[x - 20.0, 30.0, 0.0], [x + 20.0, CHIN * SIZE, 0.0]])
    return FaceLandmarks(points, np.zeros(52), np.zeros(4), 1.0, 1)


@pytest.mark.parametrize("lost", [0, 2])
def test_a_torso_stays_while_the_head_moves(clothes, head, lost):
    """Also where the face is not seen yet, from when on it is."""
    picture, torso = clothes
    shifts = np.linspace(0.0, 0.08, 6)
    pixels = PORTRAIT_FOCAL * PORTRAIT_SIZE / 2 * shifts / DISTANCE * SIZE / PORTRAIT_SIZE
    landmarks = [None if index < lost else face(SIZE / 2 + x) for index, x in enumerate(pixels)]
    matte = cv2.resize(torso.astype(np.float32), (PORTRAIT_SIZE, PORTRAIT_SIZE))
    window = SquareCrop((SIZE / 2, SIZE / 2), float(SIZE))
    motion = head_motion(head, shifts)
    found = follow_torso([picture] * 6, landmarks, window, motion, head, lambda _: matte)
    assert found.motion.shape == found.reference.shape == (6, 4, 4)
    np.testing.assert_allclose(found.reference, np.tile(motion.camera.world_to_camera[lost], (6, 1, 1)), rtol=1e-6)
    point = np.array([0.1, 0.3, DISTANCE, 1.0])
    seen = (found.motion[lost:] @ point)[:, :2]
    pixels_per_unit = PORTRAIT_FOCAL / 2 / DISTANCE  # in windows
    np.testing.assert_allclose(pixels_per_unit * (seen - point[:2]), 0.0, **TORSO_PLACES)


@pytest.mark.parametrize("name", MOTIONS)
def test_the_motion_in_space_looks_as_it_did_in_the_picture(clothes, head, name):
    """Points at the depth of the neck's joint, moved in space, are where the similarity moves them in the picture."""
    picture, torso = clothes
    unknowns = np.array(MOTIONS[name])
    frames = [moved(picture, share * unknowns) for share in (0.0, 0.5, 1.0)]
    matte = cv2.resize(torso.astype(np.float32), (PORTRAIT_SIZE, PORTRAIT_SIZE))
    window, motion = SquareCrop((SIZE / 2, SIZE / 2), float(SIZE)), head_motion(head, np.zeros(3))
    found = follow_torso(frames, [face(SIZE / 2)] * 3, window, motion, head, lambda _: matte)
    depth = DISTANCE - float(joint_positions(head.model)[JOINT_NAMES.index("neck"), 2])
    places = np.array([[0.3, 0.7], [0.7, 0.7], [0.5, 0.9]])
    intrinsics = motion.camera.intrinsics[0]
    pixels = np.column_stack([places * PORTRAIT_SIZE, np.ones(3)])
    points = depth * np.linalg.solve(intrinsics, pixels.T).T
    after = (points @ found.motion[-1, :3, :3].T + found.motion[-1, :3, 3]) @ intrinsics.T
    expected = np.column_stack([places * SIZE - 0.5, np.ones(3)]) @ similarity(unknowns).T
    after = after[:, :2] / after[:, 2:] / PORTRAIT_SIZE
    np.testing.assert_allclose(after, (expected + 0.5) / SIZE, **TORSO_CORNERS)


def test_a_torso_that_cannot_be_told_from_its_background_comes_nearer_with_the_head(clothes, head):
    plain = np.full_like(clothes[0], 120)
    motion = head_motion(head, np.zeros(2))
    motion.camera.world_to_camera[1, 2, 3] -= 1.0
    window = SquareCrop((SIZE / 2, SIZE / 2), float(SIZE))
    matte = np.ones((PORTRAIT_SIZE, PORTRAIT_SIZE), np.float32)
    found = follow_torso([plain] * 2, [face(SIZE / 2)] * 2, window, motion, head, lambda _: matte)
    np.testing.assert_allclose(found.motion[1, :3, 3], [0.0, 0.0, -1.0], **FLOAT32_ROUNDING)


def test_the_first_torso_is_the_reference(clothes, head):
    """A chin that hangs below the frame at first hides the torso; until it is seen it goes with the head."""
    picture, torso = clothes
    low = face(SIZE / 2)
    low.points[1, 1] = SIZE + 5.0
    matte = cv2.resize(torso.astype(np.float32), (PORTRAIT_SIZE, PORTRAIT_SIZE))
    window, motion = SquareCrop((SIZE / 2, SIZE / 2), float(SIZE)), head_motion(head, np.array([0.1, 0.0, 0.0]))
    found = follow_torso([picture] * 3, [low, face(SIZE / 2), face(SIZE / 2)], window, motion, head, lambda _: matte)
    np.testing.assert_allclose(found.reference[0], motion.camera.world_to_camera[1])
    np.testing.assert_allclose(found.motion[0, :3, 3], [0.1, 0.0, 0.0], atol=1e-5)
