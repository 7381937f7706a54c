"""The built-in head: its structure, and that its parameters do what their names say."""

from importlib import resources

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.head import Head, head_landmarks, head_vertices, load_head, zero_params
from omg_jax.head.load import ARKIT_ASSET
from omg_jax.tracking.face_mesh import INNER_LIPS, LEFT_EYELIDS, OUTER_LIPS, RIGHT_EYELIDS
from tests.tolerances import LANDMARK_PLACES, ONE_MILLIMETRE, SKINNING

MILLIMETRE = 0.005
UPPER_LID, LOWER_LID = 159, 145
LIPS_MIDDLE = 13, 14
# Landmark: the vertex of MakeHuman's base mesh beside it, found by an earlier, independent embedding.
KNOWN_PLACES = {
    1: 302, 2: 317, 4: 294, 168: 133, 10: 244, 152: 5296, 33: 4856, 133: 4870, 362: 11488, 263: 11474, 159: 1056,
    145: 6774, 386: 7748, 374: 13370, 61: 500, 291: 7249, 0: 466, 17: 492, 13: 474, 14: 523, 234: 5763, 454: 12360,
}  # fmt: skip


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head("arkit")


@pytest.fixture(scope="module")
def faces(head) -> np.ndarray:
    return np.asarray(head.model.faces)


def posed(head: Head, expressions: dict[str, float] | None = None, **pose) -> np.ndarray:
    weights = np.zeros(len(head.expression_names), np.float32)
    for name, weight in (expressions or {}).items():
        weights[head.expression_names.index(name)] = weight
    pose = {name: jnp.asarray(values, jnp.float32) for name, values in pose.items()}
    params = zero_params(head.model)._replace(expression_params=jnp.asarray(weights), **pose)
    return np.asarray(head_vertices(head.model, params))


def landmarks(head: Head, vertices: np.ndarray) -> np.ndarray:
    return np.asarray(head_landmarks(head.model, jnp.asarray(vertices)))


def edge_uses(faces: np.ndarray) -> np.ndarray:
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def faces_of(faces: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return faces[np.isin(faces, ids).all(axis=1)]


def test_counts_and_names(head):
    model = head.model
    assert 4900 < model.template.shape[0] < 5300, "level 0 should be about as fine as FLAME's 5,023 vertices"
    assert model.expression_basis.shape[-1] == len(head.expression_names) == 52
    assert model.shape_basis.shape[-1] == len(head.shape_names) == len(set(head.shape_names)) == 65
    assert head.expression_names[0] == "browDownLeft" and head.expression_names[-2:] == ("noseSneerRight", "tongueOut")
    assert model.landmark_faces.shape == head.landmark_sigmas.shape == head.landmark_weights.shape == (478,)
    assert len(head.sha256) == 64


def test_parts_make_up_the_head_once(head):
    parts = [head.regions[name] for name in ("skin", "left_eyeball", "right_eyeball", "teeth", "tongue")]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(head.model.template.shape[0]))
    for name in ("lips", "ears", "neck"):
        assert np.isin(head.regions[name], head.regions["skin"]).all() and len(head.regions[name]) > 0


def test_the_surface_is_manifold_and_every_vertex_is_used(head, faces):
    assert edge_uses(faces).max() == 2
    np.testing.assert_array_equal(np.unique(faces), np.arange(head.model.template.shape[0]))


def test_no_two_skin_vertices_are_one_point(head):
    """Geometry is not cut at texture seams."""
    skin = np.asarray(head.model.template)[head.regions["skin"]]
    assert len(np.unique(skin, axis=0)) == len(skin)


@pytest.mark.parametrize("name", ["left_eyeball", "right_eyeball", "tongue"])
def test_closed_parts_enclose_a_positive_volume(head, faces, name):
    """Closed, and wound counter-clockwise seen from outside."""
    part = faces_of(faces, head.regions[name])
    assert (edge_uses(part) == 2).all()
    a, b, c = np.moveaxis(np.asarray(head.model.template)[part], 1, 0)
    assert np.sum(a * np.cross(b, c)) > 0


def test_frame_is_that_of_flame(head):
    """y up, face to +z, x to the subject's left; world units are 5 x metre, so a head is about 1.3 tall."""
    template = np.asarray(head.model.template)
    points = landmarks(head, template)
    nose, chin, forehead, left_eye, right_eye = points[1], points[152], points[10], points[473], points[468]
    assert template[:, 2].max() < nose[2] + 0.05 and chin[1] < nose[1] < forehead[1]
    assert left_eye[0] > 0 > right_eye[0] and nose[2] > 0.2
    assert 1.1 < np.ptp(template[:, 1]) < 1.7
    assert np.abs(template).max() < 1.0


def test_weights_and_regressor_are_normalised(head):
    np.testing.assert_allclose(np.sum(head.model.skinning_weights, axis=1), 1.0, **SKINNING)
    np.testing.assert_allclose(np.sum(head.model.joint_regressor, axis=1), 1.0, **SKINNING)
    assert np.asarray(head.model.skinning_weights).min() >= 0


def test_known_landmarks_lie_where_an_earlier_search_put_them(head):
    points = landmarks(head, np.asarray(head.model.template))
    asset = resources.files("omg_jax") / "assets" / ARKIT_ASSET
    with resources.as_file(asset) as path, np.load(path) as archive:
        base_ids = archive["source_vertex_ids"][archive["region_skin"], 0].tolist()
    places = [np.asarray(head.model.template)[base_ids.index(vertex)] for vertex in KNOWN_PLACES.values()]
    distance = np.linalg.norm(points[list(KNOWN_PLACES)] - np.array(places), axis=1)
    np.testing.assert_allclose(distance, 0.0, **LANDMARK_PLACES)


def test_landmarks_are_symmetric(head):
    points = landmarks(head, np.asarray(head.model.template))
    pairs = np.array([(33, 263), (133, 362), (61, 291), (468, 473), (234, 454), (70, 300), (172, 397)])
    np.testing.assert_allclose(points[pairs[:, 0]] * [-1, 1, 1], points[pairs[:, 1]], **ONE_MILLIMETRE)


def test_blink_closes_the_lids(head):
    """The unit over-closes: at 0.7 the upper lid meets the lower."""
    opening = {}
    for weight in (0.0, 0.7):
        points = landmarks(head, posed(head, {"eyeBlinkRight": weight}))
        opening[weight] = points[UPPER_LID, 1] - points[LOWER_LID, 1]
    assert opening[0.0] > 6 * MILLIMETRE
    np.testing.assert_allclose(opening[0.7], 0.0, **LANDMARK_PLACES)


def test_jaw_unit_opens_the_mouth_and_takes_the_lower_teeth_along(head):
    rest, opened = posed(head), posed(head, {"jawOpen": 1.0})
    upper, lower = landmarks(head, opened)[list(LIPS_MIDDLE)]
    assert upper[1] - lower[1] > 20 * MILLIMETRE
    teeth = np.linalg.norm(opened - rest, axis=1)[head.regions["teeth"]]
    assert (teeth > 15 * MILLIMETRE).sum() > 0.3 * len(teeth), "the lower teeth should drop with the jaw"
    assert (teeth < MILLIMETRE).sum() > 0.3 * len(teeth), "the upper teeth should stay"


def test_smile_lifts_its_own_corner_of_the_mouth(head):
    moved = landmarks(head, posed(head, {"mouthSmileLeft": 1.0})) - landmarks(head, posed(head))
    left, right = moved[291], moved[61]
    assert left[1] > 3 * MILLIMETRE and left[0] > 0
    np.testing.assert_allclose(right, 0.0, **ONE_MILLIMETRE)


def test_no_expression_moves_an_eyeball(head):
    for name in ("left_eyeball", "right_eyeball"):
        assert not np.any(np.asarray(head.model.expression_basis)[head.regions[name]])


@pytest.mark.parametrize("side, first", [("left", 0), ("right", 3)])
def test_eye_pose_turns_the_eyeball_about_its_centre(head, side, first):
    pose = np.zeros(6)
    pose[first : first + 3] = [0.0, 0.4, 0.0]
    rest, turned = posed(head), posed(head, eye_pose=pose)
    ball = head.regions[f"{side}_eyeball"]
    still = np.setdiff1d(np.arange(len(rest)), ball)
    np.testing.assert_allclose(turned[still], rest[still], **SKINNING)
    # The sclera's sphere maps to itself; the pupil turns to the subject's left.
    centre = (rest[ball].min(axis=0) + rest[ball].max(axis=0))[:2] / 2
    radius = np.ptp(rest[ball][:, 0]) / 2
    turned_centre = (turned[ball].min(axis=0) + turned[ball].max(axis=0))[:2] / 2
    np.testing.assert_allclose(turned_centre, centre, **ONE_MILLIMETRE)
    pupil = ball[np.argmax(rest[ball, 2])]
    assert turned[pupil, 0] - rest[pupil, 0] > 0.25 * radius


def test_neck_pose_turns_the_face_rigidly_and_leaves_the_collar(head):
    angle = 0.5
    rest, turned = posed(head), posed(head, neck_pose=[0.0, angle, 0.0])
    weights = np.asarray(head.model.skinning_weights)
    collar = weights[:, 0] == 1
    assert collar.sum() > 20
    np.testing.assert_allclose(turned[collar], rest[collar], **SKINNING)
    # The jaw's contour gives way to the neck a little; eyes and mouth do not.
    face = [*LEFT_EYELIDS, *RIGHT_EYELIDS, *OUTER_LIPS, *INNER_LIPS]
    before, after = landmarks(head, rest)[face], landmarks(head, turned)[face]
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    np.testing.assert_allclose(after - after[0], (before - before[0]) @ rotation.T, **ONE_MILLIMETRE)


def test_identity_sliders_keep_the_eyes_in_place(head):
    """A person's size does not move the head in the picture."""
    centres = np.einsum("jv,vcs->jcs", head.model.joint_regressor, head.model.shape_basis)[3:]
    np.testing.assert_allclose(centres.mean(axis=0), 0.0, **ONE_MILLIMETRE)


def test_every_identity_slider_and_unit_moves_something(head):
    for basis in (head.model.shape_basis, head.model.expression_basis):
        assert (np.abs(np.asarray(basis)).max(axis=(0, 1)) > 0.2 * MILLIMETRE).all()
