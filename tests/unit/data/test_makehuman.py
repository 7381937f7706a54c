"""MakeHuman's formats, on tiny files that the tests write."""

import gzip
import json

import numpy as np
import pytest

from omg_jax.data.makehuman import (
    Makehuman,
    load_material,
    load_obj,
    load_proxy,
    load_skeleton,
    load_target,
    load_weights,
)

OBJ = """# comment
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 2
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
g helper tongue
f 1/1 2/2 5/3
"""

PROXY = """# comment
name a part
obj_file part.obj
x_scale 0 1 0.5
z_scale 0 4 4
y_scale 0 3 1
z_depth 50
verts 0
material ../materials/part.mhmat
tag written after the section began
 2
0 1 3 0.5 0.25 0.25 0.1 0.2 0.3
delete_verts
3 7 - 9
12
"""


@pytest.fixture
def obj_path(tmp_path):
    path = tmp_path / "mesh.obj"
    path.write_text(OBJ)
    return path


@pytest.fixture
def proxy_path(tmp_path):
    path = tmp_path / "part.mhclo"
    path.write_text(PROXY)
    return path


def test_obj_keeps_quads_groups_and_seams(obj_path):
    mesh = load_obj(obj_path)
    assert mesh.group_names == ("body", "helper tongue")
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2, 3], [0, 1, 4, -1]])
    np.testing.assert_array_equal(mesh.face_uvs, [[0, 1, 2, 3], [0, 1, 2, -1]])
    np.testing.assert_array_equal(mesh.face_groups, [0, 1])


def test_triangles_split_quads_and_select_a_group(obj_path):
    mesh = load_obj(obj_path)
    np.testing.assert_array_equal(mesh.triangles("body")[0], [[0, 1, 2], [0, 2, 3]])
    np.testing.assert_array_equal(mesh.triangles()[1], [[0, 1, 2], [0, 1, 2], [0, 2, 3]])
    with pytest.raises(ValueError, match="no group 'skirt'"):
        mesh.triangles("skirt")


@pytest.mark.parametrize("content, message", [("hello\n", "v and f lines"), ("v 0 0 0\nf 1 1 1 1 1\n", "5 corners")])
def test_obj_refuses_what_it_cannot_read(tmp_path, content, message):
    path = tmp_path / "bad.obj"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        load_obj(path)


@pytest.mark.parametrize("suffix", [".target", ".target.gz"])
def test_target_reads_numbers_without_leading_zero(tmp_path, suffix):
    path = tmp_path / f"unit{suffix}"
    content = "# comment\n3 .5 -.25 0\n7 1 2 3\n"
    path.write_bytes(gzip.compress(content.encode()) if suffix.endswith("gz") else content.encode())
    indices, offsets = load_target(path)
    np.testing.assert_array_equal(indices, [3, 7])
    np.testing.assert_array_equal(offsets, [[0.5, -0.25, 0.0], [1.0, 2.0, 3.0]])


def test_target_refuses_other_lines(tmp_path):
    path = tmp_path / "bad.target"
    path.write_text("1 2 3\n")
    with pytest.raises(ValueError, match="vertex dx dy dz"):
        load_target(path)


def test_proxy_follows_the_base_mesh_and_its_scale(proxy_path, obj_path):
    proxy = load_proxy(proxy_path)
    base = load_obj(obj_path).vertices
    # Along x the reference vertices are 1 apart, measured against 0.5; along z 2 against 4; along y 1 against 1.
    blended = 0.5 * base[0] + 0.25 * base[1] + 0.25 * base[3]
    np.testing.assert_array_equal(proxy.fit(base, base), [base[2], blended + [0.1 * 2.0, 0.2, 0.3 * 0.5]])
    # The scale comes from the second argument alone: moving the first does not stretch the offsets.
    moved = proxy.fit(base + [0.0, 5.0, 0.0], base)
    np.testing.assert_array_equal(moved, proxy.fit(base, base) + [0.0, 5.0, 0.0])


def test_proxy_reads_keywords_inside_a_section_and_ranges(proxy_path):
    proxy = load_proxy(proxy_path)
    assert proxy.name == "a part"
    assert proxy.material_path == proxy_path.parent / "../materials/part.mhmat"
    np.testing.assert_array_equal(proxy.deleted, [3, 7, 8, 9, 12])


def test_proxy_names_what_is_missing(tmp_path):
    path = tmp_path / "bad.mhclo"
    path.write_text("name x\nverts 0\n1\n")
    with pytest.raises(ValueError, match="obj_file, x_scale, y_scale, z_scale"):
        load_proxy(path)


def test_material_resolves_textures_beside_it(tmp_path):
    path = tmp_path / "skin.mhmat"
    path.write_text("# c\n// c\nname Skin\ndiffuseTexture ../textures/a b.jpg\ndiffuseColor 0.5 1 1\n")
    material = load_material(path)
    assert material.diffuse_texture == tmp_path / "../textures/a b.jpg"
    assert material.normal_texture is None
    assert material.diffuse_colour == (0.5, 1.0, 1.0)


def test_skeleton_and_weights(tmp_path):
    skeleton_path, weights_path = tmp_path / "a.mhskel", tmp_path / "a.mhw"
    bone = {"head": "j1", "tail": "j2", "parent": None}
    skeleton_path.write_text(json.dumps({"bones": {"root": bone}, "joints": {"j1": [0, 2], "j2": [1]}}))
    weights_path.write_text(json.dumps({"weights": {"root": [[1, 0.5], [4, 1.0]]}}))
    skeleton = load_skeleton(skeleton_path)
    vertices = np.array([[0.0, 0, 0], [1, 1, 1], [2, 4, 6]])
    np.testing.assert_array_equal(skeleton.head("root", vertices), [1.0, 2.0, 3.0])
    indices, weights = load_weights(weights_path)["root"]
    np.testing.assert_array_equal(indices, [1, 4])
    np.testing.assert_array_equal(weights, [0.5, 1.0])


def test_asset_folder(tmp_path):
    with pytest.raises(ValueError, match="3dobjs"):
        Makehuman(tmp_path)
    (tmp_path / "3dobjs").mkdir()
    (tmp_path / "3dobjs" / "base.obj").write_text(OBJ)
    (tmp_path / "targets" / "nose").mkdir(parents=True)
    (tmp_path / "targets" / "nose" / "nose-up.target").write_text("1 0 2 0\n")
    makehuman = Makehuman(tmp_path)
    assert makehuman.target_names("nose") == ("nose/nose-up",)
    offsets = makehuman.offsets({"nose/nose-up": 0.5})
    np.testing.assert_array_equal(offsets[1], [0.0, 1.0, 0.0])
    assert np.count_nonzero(offsets) == 1
    with pytest.raises(ValueError, match="no target 'nose/nose-down'"):
        makehuman.target("nose/nose-down")
