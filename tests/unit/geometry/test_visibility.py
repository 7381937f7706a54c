"""Visibility of vertices and barycentrics of pixels, on a sphere with known depth and on the head-like mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.camera import portrait_intrinsics, scale_camera, world_to_camera_points
from omg_jax.geometry.subdivision import build_subdivision, subdivide_to_level
from omg_jax.geometry.visibility import barycentrics, points_visible, vertex_visibility, zbuffer
from omg_jax.types import Camera
from tests.meshes import Mesh, eyeball
from tests.tolerances import BARYCENTRICS, DEPTH, EXACT, SPHERE_CHORD, VISIBILITY_AGREEMENT

IMAGE = (256, 256)
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def sphere() -> Mesh:
    """Radius 0.75, finely subdivided so that its faces come close to it."""
    coarse = eyeball(radius=1.0)
    subdivision = build_subdivision(coarse.faces, len(coarse.vertices), num_levels=2)
    fine = np.asarray(subdivide_to_level(subdivision, jnp.asarray(coarse.vertices, jnp.float32), 2))
    return Mesh(0.75 * fine / np.linalg.norm(fine, axis=1, keepdims=True), subdivision.faces[2])


def portrait_camera(distance: float = 10.0, offset: tuple[float, float] = (0.0, 0.0)) -> Camera:
    matrix = np.diag([1.0, -1, -1, 1]).astype(np.float32)
    matrix[:3, 3] = (*offset, distance)
    return Camera(jnp.asarray(matrix), portrait_intrinsics(IMAGE))


def arrays(mesh: Mesh):
    return jnp.asarray(mesh.vertices, jnp.float32), jnp.asarray(mesh.faces)


def visible_by_rays(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which points, in camera space, no face hides by more than the tolerance; in float64."""
    corners = vertices[faces]
    opposite = np.stack([np.cross(corners[:, (i + 1) % 3], corners[:, (i + 2) % 3]) for i in range(3)], axis=1)
    determinant = np.einsum("fk,fk->f", corners[:, 0], opposite[:, 0])
    visible = []
    for point in points:
        volumes = opposite @ (point / point[2])
        total = volumes.sum(axis=1)
        hit = (volumes * np.sign(total)[:, None] >= 0).all(axis=1) & (total != 0)
        visible.append(not (determinant[hit] / total[hit] < point[2] - TOLERANCE).any())
    return np.array(visible)


def test_depth_of_a_sphere(sphere):
    """The near intersection of each pixel's ray with the sphere."""
    camera = portrait_camera()
    depth, _ = zbuffer(*arrays(sphere), camera, IMAGE)
    x, y = np.meshgrid(*(np.arange(256) + 0.5 - 128,) * 2)
    squared = (x**2 + y**2) / (12 * 128) ** 2
    root = 100 - (1 + squared) * (100 - 0.75**2)
    expected = np.where(root > 0, (10 - np.sqrt(np.maximum(root, 0))) / (1 + squared), np.inf)
    inner = expected < 9.7  # away from the silhouette, where the polygon's outline decides
    np.testing.assert_allclose(np.asarray(depth)[inner], expected[inner], **SPHERE_CHORD)


def test_the_near_half_of_a_sphere_is_visible(sphere):
    vertices, faces = arrays(sphere)
    visible = np.asarray(vertex_visibility(vertices, faces, portrait_camera(), IMAGE))
    facing = sphere.vertices[:, 2] / 0.75 - 0.75 / 10  # the horizon seen from 10 units away
    # Nearer to the horizon the surface is so steep that its depth at the pixel's centre is off by the tolerance.
    assert visible[facing > 0.25].all()
    # Just behind the horizon the surface hides a vertex by less than the tolerance.
    assert not visible[facing < -0.25].any()


def test_agreement_with_exact_rays_on_a_head(flame_mesh):
    vertices, faces = arrays(flame_mesh)
    matrix = np.eye(4, dtype=np.float32)
    angle = 0.5
    matrix[:3, :3] = np.diag([1.0, -1, -1]) @ [
        [np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]
    ]  # fmt: skip
    matrix[2, 3] = 10.0
    camera = scale_camera(Camera(jnp.asarray(matrix), portrait_intrinsics(IMAGE)), 2)
    visible = vertex_visibility(vertices, faces, camera, (512, 512), TOLERANCE)
    some = np.random.default_rng(0).choice(len(vertices), 600, replace=False)
    in_camera = np.asarray(world_to_camera_points(camera, vertices), np.float64)
    expected = visible_by_rays(in_camera[some], in_camera, flame_mesh.faces)
    assert 0.2 < expected.mean() < 0.8
    assert (np.asarray(visible)[some] == expected).mean() > VISIBILITY_AGREEMENT


def test_tolerance_is_a_distance_in_depth():
    """Points in front of, on, just behind and well behind a wall at depth 10."""
    wall = jnp.array([[-9.0, -9, 0], [9, -9, 0], [0, 20, 0]])
    depth = zbuffer(wall, jnp.array([[0, 1, 2]]), portrait_camera(), IMAGE).depth
    points = jnp.array([[0.0, 0, z] for z in (0.5, 0.0, -0.015, -0.025, -3.0)])
    np.testing.assert_array_equal(points_visible(points, depth, portrait_camera(), 0.02), [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(points_visible(points, depth, portrait_camera(), 0.03), [1, 1, 1, 1, 0])


def test_points_outside_of_the_picture_or_behind_the_camera_are_not_visible():
    nothing = jnp.full(IMAGE, jnp.inf)
    edge = 10 / 12  # half of what the camera sees at a depth of 10
    inside = [[0, 0, 0], [0.99 * edge, 0, 0], [0, -0.99 * edge, 0]]
    outside = [[1.01 * edge, 0, 0], [-1.01 * edge, 0, 0], [0, 1.01 * edge, 0], [0, 0, 10.5]]
    visible = points_visible(jnp.array(inside + outside), nothing, portrait_camera())
    np.testing.assert_array_equal(visible, [True] * 3 + [False] * 4)


def test_fine_vertices_are_tested_against_the_coarse_surface(flame_mesh):
    vertices, faces = arrays(flame_mesh)
    subdivision = build_subdivision(flame_mesh.faces, len(flame_mesh.vertices))
    fine = subdivide_to_level(subdivision, vertices, 2)
    coarse_occluder = vertex_visibility(fine, faces, portrait_camera(), IMAGE, occluder_vertices=vertices)
    fine_occluder = vertex_visibility(fine, jnp.asarray(subdivision.faces[2]), portrait_camera(), IMAGE)
    assert (np.asarray(coarse_occluder) == np.asarray(fine_occluder)).mean() > VISIBILITY_AGREEMENT
    coarse = vertex_visibility(vertices, faces, portrait_camera(), IMAGE)
    np.testing.assert_array_equal(coarse_occluder[: len(vertices)], coarse)


def test_no_gradient_flows_through_depth(sphere):
    vertices, faces = arrays(sphere)

    def covered_depth(v):
        depth = zbuffer(v, faces, portrait_camera(), IMAGE).depth
        return jnp.where(jnp.isfinite(depth), depth, 0.0).sum() + v.sum()

    np.testing.assert_allclose(jax.jit(jax.grad(covered_depth))(vertices), 1.0, **EXACT)


def test_barycentrics_give_back_the_pixels_and_their_depth(flame_mesh):
    """The point that they interpolate lies on the pixel's ray, at the z-buffer's depth."""
    vertices, faces = arrays(flame_mesh)
    camera = portrait_camera(offset=(0.1, -0.05))
    depth, face_index = zbuffer(vertices, faces, camera, IMAGE)
    weights = barycentrics(vertices, faces, camera, face_index)
    shown = np.asarray(face_index) >= 0
    in_camera = np.asarray(world_to_camera_points(camera, vertices), np.float64)
    corners = in_camera[flame_mesh.faces[np.asarray(face_index)]]
    points = (np.asarray(weights, np.float64)[..., None] * corners).sum(axis=-2)
    np.testing.assert_allclose(points[shown][:, 2], np.asarray(depth)[shown], **DEPTH)
    rows, columns = np.nonzero(shown)
    rays = (np.stack([columns, rows], axis=1) + 0.5 - 128) / (12 * 128)
    np.testing.assert_allclose(points[shown][:, :2] / points[shown][:, 2:], rays, **DEPTH | dict(atol=DEPTH["rtol"]))
    np.testing.assert_allclose(weights[shown].sum(axis=-1), 1, **BARYCENTRICS)
    assert (weights[shown] > -BARYCENTRICS["atol"]).all()
    assert (weights[~shown] == 0).all()


def test_barycentrics_are_perspective_correct():
    """Half-way in the picture between corners of depth 1 and 3 lies three quarters of the near one."""
    vertices = jnp.array([[-1.0, -1, 1], [3, -3, 3], [-1, 1, 1]])
    camera = Camera(jnp.eye(4), jnp.array([[4.0, 0, 4.5], [0, 4, 0.5], [0, 0, 1]]))
    faces = jnp.array([[0, 1, 2]])
    weights = barycentrics(vertices, faces, camera, jnp.zeros((1, 9), jnp.int32).at[0, 0].set(-1))
    np.testing.assert_allclose(weights[0, 4], [0, 0.25, 0.75], **BARYCENTRICS)


def test_barycentrics_in_batches(flame_mesh):
    vertices, faces = arrays(flame_mesh)
    cameras = jax.tree.map(lambda *a: jnp.stack(a), portrait_camera(), portrait_camera(offset=(0.1, 0)))
    _, face_index = zbuffer(vertices, faces, cameras, IMAGE)
    weights = barycentrics(vertices, faces, cameras, face_index)
    second = jax.tree.map(lambda a: a[1], cameras)
    np.testing.assert_allclose(weights[1], barycentrics(vertices, faces, second, face_index[1]), **BARYCENTRICS)
