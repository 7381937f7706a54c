"""The z-buffer kernel against a float64 ray test of every pixel with every face, and its edge cases."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.geometry.visibility import NEAR, zbuffer
from omg_jax.types import Camera
from tests.tolerances import DEPTH, DEPTH_MARGIN, EDGE_MARGIN, SHARE_OF_SURE_PIXELS

LOOK_ALONG_Z = np.eye(4, dtype=np.float32)


def make_camera(focal: float, size: tuple[int, int], matrix: np.ndarray = LOOK_ALONG_Z) -> Camera:
    intrinsics = np.array([[focal, 0, size[1] / 2], [0, focal, size[0] / 2], [0, 0, 1]], np.float32)
    return Camera(jnp.asarray(matrix), jnp.asarray(intrinsics))


def triangle_soup(seed: int, count: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of either orientation in front of and behind a camera that looks along z; some cross its plane."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform((-2, -2, -0.5), (2, 2, 4), (count, 1, 3))
    corners = centres + rng.normal(scale=size, size=(count, 3, 3))
    return corners.reshape(-1, 3).astype(np.float32), np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def cast_rays(vertices, faces, camera, size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(depth, face index, sure) by exact rays: sure where no rounding can change which face is seen."""
    matrix, intrinsics = (np.asarray(a, np.float64) for a in camera)
    corners = (np.asarray(vertices, np.float64) @ matrix[:3, :3].T + matrix[:3, 3])[np.asarray(faces)]
    y, x = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5, indexing="ij")
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(intrinsics).T
    opposite = np.stack([np.cross(corners[:, (i + 1) % 3], corners[:, (i + 2) % 3]) for i in range(3)], axis=1)
    volumes = np.einsum("hwk,fik->hwfi", rays, opposite)
    total = volumes.sum(axis=-1)
    barycentric = volumes / total[..., None]
    depths = np.einsum("fk,fk->f", corners[:, 0], opposite[:, 0]) / total
    hit = (barycentric >= 0).all(axis=-1) & (depths >= NEAR)
    depths = np.where(hit, depths, np.inf)
    grazing = (np.abs(barycentric.min(axis=-1)) < EDGE_MARGIN).any(axis=-1)
    depths = np.concatenate([depths, np.full((*size, 2), np.inf)], axis=-1)
    nearest, second = np.sort(depths, axis=-1)[..., :2].transpose(2, 0, 1)
    tied = np.isfinite(nearest) & (second < nearest * (1 + DEPTH_MARGIN))
    return nearest, np.where(np.isfinite(nearest), depths.argmin(axis=-1), -1), ~grazing & ~tied


@pytest.mark.parametrize(
    ("count", "triangle_size", "image"),
    [(60, 1.0, (40, 50)), (400, 0.1, (64, 48)), (30, 1.0, (7, 5)), (10, 1.0, (1, 1)), (0, 1.0, (20, 20))],
    ids=["large, across the near plane", "small", "narrower than a vector", "one pixel", "no face"],
)
def test_agrees_with_a_ray_test(count, triangle_size, image):
    vertices, faces = triangle_soup(0, count, triangle_size)
    camera = make_camera(0.6 * max(image), image)
    depth, face_index = zbuffer(jnp.asarray(vertices), jnp.asarray(faces), camera, image)
    expected_depth, expected_face, sure = cast_rays(vertices, faces, camera, image)
    assert sure.mean() > SHARE_OF_SURE_PIXELS
    np.testing.assert_array_equal(np.asarray(face_index)[sure], expected_face[sure])
    np.testing.assert_allclose(np.asarray(depth)[sure], expected_depth[sure], **DEPTH)
    np.testing.assert_array_equal(np.isinf(depth), np.asarray(face_index) < 0)


def test_a_floor_that_passes_under_the_camera_is_cut_at_the_near_plane():
    """Depth on the plane y = 1 is focal / (row's height below the centre), up to the horizon."""
    floor = jnp.array([[-900.0, 1, -900], [900, 1, -900], [900, 1, 900], [-900, 1, 900]])
    faces = jnp.array([[0, 1, 2], [0, 2, 3]])
    image, focal = (64, 32), 20.0
    depth, _ = zbuffer(floor, faces, make_camera(focal, image), image)
    below = np.arange(64) + 0.5 - 32
    expected = np.where(below > 0, focal / np.where(below > 0, below, 1), np.inf)
    np.testing.assert_allclose(depth, np.broadcast_to(expected[:, None], image), **DEPTH)


def test_no_cracks_between_the_triangles_of_a_sheet():
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 40)), axis=-1)
    grid[1:-1, 1:-1] += rng.uniform(-0.01, 0.01, (38, 38, 2))
    vertices = np.concatenate([grid.reshape(-1, 2), np.full((1600, 1), 2.0)], axis=1).astype(np.float32)
    corner = (np.arange(39)[:, None] * 40 + np.arange(39)).ravel()
    halves = np.array([[0, 1, 41], [0, 41, 40]])
    faces = (corner[:, None, None] + halves).reshape(-1, 3)
    image = (300, 300)
    depth, _ = zbuffer(jnp.asarray(vertices), jnp.asarray(faces, jnp.int32), make_camera(280.0, image), image)
    inside = np.asarray(depth)[11:-11, 11:-11]
    assert np.isfinite(inside).all()
    np.testing.assert_allclose(inside, 2.0, **DEPTH)


def test_pixel_centres_decide():
    """A square from (1, 1) to (3, 3) covers the pixels 1 and 2; one that ends at 2.49 only pixel 1."""
    faces = jnp.array([[0, 1, 2], [0, 2, 3]])
    for end, covered in ((3.0, [1, 2]), (2.49, [1])):
        square = jnp.array([[1.0, 1, 1], [end, 1, 1], [end, end, 1], [1, end, 1]])
        camera = Camera(jnp.asarray(LOOK_ALONG_Z), jnp.eye(3))
        depth, _ = zbuffer(square, faces, camera, (5, 5))
        rows, columns = np.nonzero(np.isfinite(depth))
        assert sorted(set(rows)) == sorted(set(columns)) == covered


def test_of_equally_near_faces_the_first_is_kept():
    triangle = jnp.array([[-1.0, -1, 2], [1, -1, 2], [0, 1, 2]])
    faces = jnp.array([[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    _, face_index = zbuffer(triangle, faces, make_camera(20.0, (32, 32)), (32, 32))
    assert set(np.unique(face_index)) == {-1, 0}


def test_faces_with_bad_corners_or_no_area_are_left_out():
    vertices = jnp.array([[-1.0, -1, 2], [1, -1, 2], [0, 1, 2], [np.nan, 0, 2], [np.inf, 0, 2], [0, 0, np.nan]])
    faces = jnp.array([[0, 1, 3], [0, 1, 4], [0, 1, 5], [0, 0, 1], [0, 1, 2]])
    _, face_index = zbuffer(vertices, faces, make_camera(20.0, (32, 32)), (32, 32))
    assert set(np.unique(face_index)) == {-1, 4}


@pytest.mark.parametrize("bad", [3, -1])
def test_a_face_of_a_missing_vertex_is_an_error(bad):
    with pytest.raises(Exception, match="a face names a vertex that does not exist"):
        jax.block_until_ready(zbuffer(jnp.ones((3, 3)), jnp.array([[0, 1, bad]]), make_camera(9.0, (8, 8)), (8, 8)))


def test_shapes_that_do_not_fit_are_errors():
    camera = make_camera(9.0, (8, 8))
    with pytest.raises(ValueError, match="image_size: expected"):
        zbuffer(jnp.ones((3, 3)), jnp.array([[0, 1, 2]]), camera, (0, 8))
    two_cameras = jax.tree.map(lambda a: jnp.stack([a, a]), camera)
    with pytest.raises(ValueError, match="do not broadcast"):
        zbuffer(jnp.ones((3, 3, 3)), jnp.array([[0, 1, 2]]), two_cameras, (8, 8))


IMAGE = (24, 40)


@pytest.fixture(scope="module")
def scene() -> tuple:
    """Four meshes, their faces, four cameras."""
    vertices, faces = triangle_soup(3, 50, 0.4)
    cameras = [make_camera(focal, IMAGE) for focal in (15.0, 20.0, 25.0, 30.0)]
    meshes = jnp.stack([jnp.asarray(vertices) + 0.1 * i for i in range(4)])
    return meshes, jnp.asarray(faces), jax.tree.map(lambda *a: jnp.stack(a), *cameras)


def item(tree, index: int):
    return jax.tree.map(lambda a: a[index], tree)


def expect_the_bits_of_single_images(batch, scene, pairs: list[tuple[int, int]]):
    """pairs: (mesh, camera) of every image of the batch."""
    meshes, faces, cameras = scene
    for i, (mesh, camera) in enumerate(pairs):
        alone = zbuffer(meshes[mesh], faces, item(cameras, camera), IMAGE)
        jax.tree.map(np.testing.assert_array_equal, item(batch, i), alone)


EACH = [(i, i) for i in range(4)]


def test_a_batch(scene):
    expect_the_bits_of_single_images(zbuffer(*scene, IMAGE), scene, EACH)


def test_a_batch_with_one_mesh_or_one_camera(scene):
    meshes, faces, cameras = scene
    expect_the_bits_of_single_images(zbuffer(meshes[1], faces, cameras, IMAGE), scene, [(1, i) for i in range(4)])
    expect_the_bits_of_single_images(zbuffer(meshes, faces, item(cameras, 0), IMAGE), scene, [(i, 0) for i in range(4)])


@pytest.mark.parametrize("mapped", [jax.vmap, jax.pmap, lambda f: jax.jit(jax.vmap(f))], ids=["vmap", "pmap", "jit"])
def test_mapped_over_a_batch(scene, mapped):
    meshes, faces, cameras = scene
    batch = mapped(lambda v, c: zbuffer(v, faces, c, IMAGE))(meshes, cameras)
    expect_the_bits_of_single_images(batch, scene, EACH)


def test_nested_maps(scene):
    meshes, faces, cameras = scene
    rows = jax.vmap(lambda c: jax.vmap(lambda v: zbuffer(v, faces, c, IMAGE))(meshes))(cameras)
    expect_the_bits_of_single_images(item(rows, 2), scene, [(i, 2) for i in range(4)])


def test_shard_map(scene):
    meshes, faces, cameras = scene
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    data = jax.sharding.PartitionSpec("data")
    render = jax.shard_map(lambda v, c: zbuffer(v, faces, c, IMAGE), mesh=mesh, in_specs=data, out_specs=data)
    expect_the_bits_of_single_images(jax.jit(render)(meshes, cameras), scene, EACH)


RENDER = """
import hashlib, sys
import jax.numpy as jnp
from omg_jax import native
from omg_jax.geometry.visibility import zbuffer
from tests.kernels.test_zbuffer import make_camera, triangle_soup
vertices, faces = triangle_soup(5, 300, 0.3)
result = zbuffer(jnp.asarray(vertices), jnp.asarray(faces), make_camera(60.0, (90, 110)), (90, 110))
print(native.load().simd_level(), hashlib.sha256(b"".join(a.tobytes() for a in result)).hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits():
    outputs = set()
    for level in ("baseline", "avx2", "avx512"):
        run = [sys.executable, "-c", RENDER]
        environment = os.environ | {"OMG_SIMD_LEVEL": level, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        output = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.split()
        outputs.add(tuple(output))
    assert len({digest for _, digest in outputs}) == 1
    assert "baseline" in {level for level, _ in outputs}


def test_the_papers_camera_keeps_depth_to_micrometres():
    """A sphere of 0.75 units at a distance of 10: the nearest depth, to float32's spacing there."""
    vertices = jnp.array([[0.0, 0, 0.75], [0.2, 0, 0.7], [0, 0.2, 0.7], [-0.2, -0.2, 0.7]])
    faces = jnp.array([[0, 1, 2], [0, 2, 3], [0, 3, 1]])
    matrix = np.diag([1.0, -1, -1, 1]).astype(np.float32)
    matrix[2, 3] = 10
    camera = Camera(jnp.asarray(matrix), portrait_intrinsics((513, 513)))
    np.testing.assert_allclose(zbuffer(vertices, faces, camera, (513, 513)).depth[256, 256], 9.25, **DEPTH)
