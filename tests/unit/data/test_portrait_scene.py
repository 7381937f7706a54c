"""The merged mesh of a person and its occlusion, on meshes of a few triangles."""

from pathlib import Path

import numpy as np
import pytest

from omg_jax.data.makehuman import NUM_BODY_VERTICES, ObjMesh, Proxy
from omg_jax.data.portraits.occlusion import TURNED_AWAY, sky_directions, visibility, visible_from
from omg_jax.data.portraits.scene import Part, build_scene
from tests.tolerances import FLOAT32_ROUNDING

OPAQUE = np.full((4, 4, 4), 255, np.uint8)
SCALE = 0.5


def mesh(faces: list[list[int]], num_vertices: int, uv: float = 0.5) -> ObjMesh:
    count = len(faces)
    return ObjMesh(
        vertices=np.zeros((num_vertices, 3)),
        uvs=np.full((1, 2), uv),
        faces=np.array([face + [-1] for face in faces], np.int32),
        face_uvs=np.array([[0, 0, 0, -1]] * count, np.int32),
        face_groups=np.zeros(count, np.int32),
        group_names=("body",),
    )


def proxy(refs: list[int], deleted: list[int]) -> Proxy:
    """Copies base vertices, lifted by one asset unit along z at scale 1."""
    rows = np.zeros((len(refs), 3), np.int32)
    rows[:, 0] = refs
    return Proxy(
        name="part",
        obj_path=Path("part.obj"),
        material_path=None,
        refs=rows,
        weights=np.tile([1.0, 0.0, 0.0], (len(refs), 1)),
        offsets=np.tile([0.0, 0.0, 1.0], (len(refs), 1)),
        scale_pairs=np.array([[0, 1]] * 3, np.int32),
        scale_lengths=np.array([1.0, 1.0, 1.0]) / SCALE,
        deleted=np.array(deleted, np.int32),
    )


@pytest.fixture
def identity():
    """Six corners at (0, 0, 0) ... ; corners 0 and 1 are one world unit apart along each axis."""
    base = np.zeros((NUM_BODY_VERTICES + 20, 3))
    base[:6] = [[0, 0, 0], [1, 1, 1], [0, 1, 0], [-1, 0, 0], [-1, 1, 0], [0, -5, 0]]
    return base


@pytest.fixture
def scene(identity):
    skin = Part("skin", OPAQUE, mesh([[0, 1, 2], [3, 4, 2], [5, 5, 5]], 6), None)
    garment = Part("cloth", OPAQUE, mesh([[0, 1, 2]], 3), proxy([0, 1, 2], deleted=[3, 4, 2]))
    eyes = Part("eyes", OPAQUE, mesh([[0, 1, 2], [3, 3, 3]], 4), proxy([1, 1, 1, 3], deleted=[]))
    hair = Part("hair", np.zeros((4, 4, 4), np.uint8), mesh([[0, 1, 2]], 3), proxy([0, 1, 2], deleted=[]))
    return build_scene((skin, garment, eyes), (hair,), identity, SCALE)


def drawn(scene):
    """Faces and their parts without the padding."""
    return scene.faces[: scene.num_faces], scene.face_part[: scene.num_faces]


def test_skin_under_a_garment_and_below_the_picture_is_not_drawn(scene):
    faces, parts = drawn(scene)
    skin_faces = faces[parts == 0]
    np.testing.assert_array_equal(skin_faces, [[0, 1, 2]])
    assert scene.num_solid == (parts < 3).sum()


def test_parts_follow_the_base_mesh_and_eyes_keep_their_place(scene, identity):
    moved = identity.copy()
    moved[:6, 1] += 0.25
    rest, raised = scene.vertices(identity), scene.vertices(moved)
    change = (raised - rest)[:, 1]
    eyes = np.concatenate(scene.eye_rows)
    faces, parts = drawn(scene)
    garment = np.unique(faces[parts == 1])
    np.testing.assert_allclose(change[garment], 0.25, **FLOAT32_ROUNDING)
    np.testing.assert_array_equal(change[eyes], 0.0)
    # The offset of one asset unit, at the identity's own scale of one.
    np.testing.assert_allclose(rest[garment[0]], [0.0, 0.0, SCALE], **FLOAT32_ROUNDING)


def test_left_and_right_eye_are_told_apart(scene, identity):
    left, right = scene.eye_rows
    vertices = scene.vertices(identity)
    assert len(left) == 3 and len(right) == 1
    assert (vertices[left, 0] > 0.0).all() and (vertices[right, 0] < 0.0).all()


def test_clear_hair_casts_no_shadow(scene):
    faces, parts = drawn(scene)
    hair = faces[parts == 3][0]
    assert not (np.sort(scene.occluders, axis=1) == np.sort(hair)).all(axis=1).any()


def test_dense_hair_is_solid_and_clear_hair_a_layer(identity):
    """Faces on the border of the two are both, so that no pixel between them shows what is below."""
    texture = np.full((64, 64, 4), 255, np.uint8)
    texture[:, 32:, 3] = 0
    hair = mesh([[0, 1, 2], [3, 4, 2], [5, 3, 4]], 6)._replace(
        uvs=np.array([[0.1, 0.5], [0.9, 0.5]]),
        face_uvs=np.array([[0, 0, 0, -1], [0, 0, 0, -1], [1, 1, 1, -1]], np.int32),
    )
    skin = Part("skin", OPAQUE, mesh([[0, 1, 2]], 6), None)
    scene = build_scene((skin,), (Part("hair", texture, hair, proxy([0, 1, 2, 3, 4, 0], deleted=[])),), identity, SCALE)
    faces, parts = drawn(scene)
    first = NUM_BODY_VERTICES
    np.testing.assert_array_equal(parts[scene.num_solid :], [1])
    np.testing.assert_array_equal(faces[scene.num_solid :], [[first + 5, first + 3, first + 4]])
    np.testing.assert_array_equal(faces[scene.first_layer : scene.num_solid], [[first + 3, first + 4, first + 2]])


def test_strands_run_where_v_falls(identity):
    quad = mesh([[0, 1, 2]], 3)._replace(
        uvs=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), face_uvs=np.array([[0, 1, 2, -1]], np.int32)
    )
    scene = build_scene((Part("skin", OPAQUE, quad, None),), (), identity, SCALE)
    vertices = np.zeros((len(scene.offsets), 3), np.float32)
    vertices[:3] = [[0, 0, 0], [2, 0, 0], [0, 3, 0]]
    np.testing.assert_allclose(scene.strands(vertices)[:3], [[0.0, -1.0, 0.0]] * 3, **FLOAT32_ROUNDING)


PLATE = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 3, 2], [4, 6, 5], [4, 7, 6]], np.int32)


@pytest.fixture
def plates():
    """A plate that looks up, and half a unit above it a second one that covers it."""
    vertices = np.concatenate([0.5 * PLATE, PLATE + [0, 0.5, 0]]).astype(np.float32)
    return vertices, np.tile(np.float32([[0.0, 1.0, 0.0]]), (8, 1))


def test_a_plate_hides_what_lies_under_it(plates):
    vertices, normals = plates
    up, sideways = np.array([[0, 1, 0], [1, 0.01, 0]], np.float32)
    seen = visible_from(vertices, normals, FACES, np.stack([up, sideways]))
    np.testing.assert_array_equal(seen[:4, 0], 0.0)
    np.testing.assert_array_equal(seen[4:, 0], 1.0)
    np.testing.assert_array_equal(seen[:4, 1], 1.0)


def test_openness_falls_under_cover(plates):
    covered = visibility(*plates, FACES, sky_directions(40)).openness
    np.testing.assert_allclose(covered[4:], 1.0, **FLOAT32_ROUNDING)
    assert (covered[:4] < 0.7).all()


def test_a_light_is_blocked_by_what_stands_in_its_way(plates):
    seen = visibility(*plates, FACES, sky_directions(400))
    shadow = seen.shadow(np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], np.float32))
    assert (shadow[:4, 0] < 0.05).all()
    np.testing.assert_allclose(shadow[4:, 0], 1.0, **FLOAT32_ROUNDING)
    # Light from below creeps round a plate that looks up.
    assert (shadow[:4, 1] >= TURNED_AWAY).all()


def test_another_pose_changes_what_its_directions_see(plates):
    vertices, normals = plates
    directions = np.array([[0, 1, 0], [0.1, 0.99, 0.1]], np.float32)
    before = visibility(vertices, normals, FACES, directions)
    away = vertices + np.array([[0, 0, 0]] * 4 + [[9, 0, 0]] * 4, np.float32)
    after = visibility(away, normals, FACES, directions, before, np.array([True, False]))
    np.testing.assert_array_equal(after.seen[:4], [[1.0, 0.0]] * 4)


def test_sky_directions_are_unit_and_balanced():
    directions = sky_directions(40)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, **FLOAT32_ROUNDING)
    assert np.abs(directions.mean(axis=0)).max() < 0.05
