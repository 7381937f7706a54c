"""VHAP's exports: what they say in their own formulas is what they say in ours."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.geometry.camera import world_to_camera_points, world_to_pixels
from omg_jax.head.load import load_head
from omg_jax.head.model import head_vertices
from omg_jax.tracking.importers.read import chosen_track, read_tracks
from omg_jax.tracking.importers.track import check_edition, imported_motion, imported_portraits
from tests.parity.flame_file import NUM_VERTICES, flame_fields, write_flame_pickle
from tests.tolerances import NET_PIXEL, PIXEL_POSITIONS, SKINNING
from tests.unit.tracking.importers.source_formulas import (
    on_device,
    opengl_camera,
    opengl_pixels,
    opengl_view,
    vhap_params,
    vhap_vertices,
    write_vhap,
)

SEED, WIDTH, HEIGHT, TEETH, MARKED = 5, 400, 480, 120, 17


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    path = tmp_path_factory.mktemp("flame") / "flame2023.pkl"
    write_flame_pickle(path, SEED)
    return load_head(f"flame:{path}")


@pytest.fixture(scope="module")
def params():
    return vhap_params(np.random.default_rng(1), NUM_VERTICES + TEETH)


@pytest.fixture(scope="module")
def cameras():
    rng = np.random.default_rng(2)
    return [opengl_camera(rng, focal, WIDTH, HEIGHT) for focal in (900.0, 1000.0)]


@pytest.fixture(scope="module")
def marks(params, cameras):
    """Where a vertex lies in each picture."""
    fields = flame_fields(SEED)
    return {
        (step, number): opengl_pixels(camera, opengl_view(camera, vhap_vertices(fields, param)))[MARKED]
        for step, param in enumerate(params)
        for number, camera in enumerate(cameras)
    }


@pytest.fixture(scope="module")
def folder(params, cameras, marks, tmp_path_factory):
    path = tmp_path_factory.mktemp("vhap") / "person"
    across, down = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    images = {}
    for key, (x, y) in marks.items():
        spot = 255 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * 4.0**2))
        images[key] = np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2)
    write_vhap(path, params, cameras, images)
    return path


def offsets_of(track):
    """The person's offsets for each frame."""
    return jnp.broadcast_to(track.vertex_offsets, (len(track.frame_numbers), *track.vertex_offsets.shape))


def never(image):
    raise AssertionError("the mattes are there")


def edited(folder, tmp_path, change):
    """A copy of transforms.json beside links to the rest, changed."""
    content = json.loads((folder / "transforms.json").read_text())
    change(content)
    for name in ("images", "fg_masks", "flame_param", "canonical_flame_param.npz"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    return tmp_path


def test_cameras_are_tracks_and_frames_come_in_order(folder, params):
    tracks = read_tracks(folder)
    assert [track.name for track in tracks] == ["person_camera0", "person_camera1"]
    for track in tracks:
        assert track.frame_numbers == (0, 1, 2) and track.image_size == (HEIGHT, WIDTH)
        for frame, param in enumerate(params):
            np.testing.assert_array_equal(track.head_params.expression_params[frame], param["expr"][0])
            np.testing.assert_array_equal(track.head_params.eye_pose[frame], param["eyes_pose"][0])
            np.testing.assert_array_equal(track.head_params.neck_pose[frame], param["neck_pose"][0])


def test_vertices_and_camera_agree_with_the_source_convention(folder, params, cameras, head):
    fields = flame_fields(SEED)
    for number, track in enumerate(read_tracks(folder)):
        in_source = head_vertices(head.model, track.head_params, offsets_of(track))
        motion = imported_motion(track, head)
        vertices = head_vertices(head.model, motion.head_params, offsets_of(track))
        in_camera = world_to_camera_points(on_device(motion.camera), vertices)
        assert not np.any(motion.head_params.global_rotation) and not np.any(motion.head_params.translation)
        for frame, param in enumerate(params):
            expected = vhap_vertices(fields, param)
            np.testing.assert_allclose(in_source[frame], 5 * expected, **SKINNING)
            view = opengl_view(cameras[number], expected)
            np.testing.assert_allclose(in_camera[frame], 5 * view * [1, -1, -1], **SKINNING)


def test_intrinsics_are_those_of_the_source(folder, params, cameras):
    fields = flame_fields(SEED)
    track = read_tracks(folder)[1]
    points = 5 * np.stack([vhap_vertices(fields, param) for param in params]).astype(np.float32)
    pixels, _ = world_to_pixels(on_device(track.camera), jnp.asarray(points))
    expected = opengl_pixels(cameras[1], opengl_view(cameras[1], points[2].astype(np.float64) / 5))
    np.testing.assert_allclose(pixels[2], expected, **PIXEL_POSITIONS)


def test_portraits_and_their_camera_show_the_same(folder, head):
    track = read_tracks(folder)[0]
    portraits = imported_portraits(track, head, never)
    motion = portraits.motion
    assert motion.image_size == (512, 512) and portraits.mattes.max() == 255
    np.testing.assert_array_equal(motion.camera.intrinsics, imported_motion(track, head).camera.intrinsics)
    vertices = head_vertices(head.model, motion.head_params, offsets_of(track))
    pixels = np.asarray(world_to_pixels(on_device(motion.camera), vertices)[0])[:, MARKED]
    across, down = np.meshgrid(np.arange(512) + 0.5, np.arange(512) + 0.5)
    for image, place in zip(portraits.images[..., 0].astype(float), pixels, strict=True):
        spot = np.where(image > image.max() / 2, image, 0.0)  # its faint rim reaches the frame's edge, which goes on
        found = [(spot * across).sum() / spot.sum(), (spot * down).sum() / spot.sum()]
        np.testing.assert_allclose(found, place, **NET_PIXEL)


def test_a_shape_in_the_canonical_file_alone_is_found(folder, params, tmp_path):
    edited(folder, tmp_path, lambda content: None)
    (tmp_path / "flame_param").unlink()
    (tmp_path / "flame_param").mkdir()
    for step, param in enumerate(params):
        kept = {name: value for name, value in param.items() if name not in ("shape", "static_offset")}
        np.savez(tmp_path / "flame_param" / f"{step:05d}.npz", **kept)
    track = read_tracks(tmp_path)[0]
    np.testing.assert_array_equal(track.head_params.shape_params[1], params[0]["shape"])
    assert track.vertex_offsets is None


def test_fewer_coefficients_are_filled_and_more_are_refused(folder, head):
    track = read_tracks(folder)[0]
    codes = track.head_params.shape_params
    short = track._replace(head_params=track.head_params._replace(shape_params=codes[:, :100]))
    found = imported_motion(short, head).head_params.shape_params
    np.testing.assert_array_equal(found, np.where(np.arange(300) < 100, codes, 0))
    long = track._replace(head_params=track.head_params._replace(shape_params=np.tile(codes, 2)))
    with pytest.raises(ValueError, match="shape_params of person_camera0 has 600 coefficients.* 300"):
        imported_motion(long, head)


def test_another_edition_is_named(folder):
    with pytest.raises(ValueError, match="is FLAME 2020 by its name, but codes of VHAP .* 2023"):
        check_edition(read_tracks(folder)[0], "FLAME2020/FLAME2020.pkl")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.update(frames=[]), "lists no frames"),
        (lambda c: c["frames"][2].pop("flame_param_path"), "has no flame_param_path"),
        (lambda c: c["frames"][0].pop("w"), "no w and h"),
        (lambda c: c["frames"][0].update(w=9), "share one size"),
        (lambda c: c["frames"][0].update(transform_matrix=[[1, 2], [3, 4]]), "4 x 4"),
        (lambda c: c["frames"][0].update(flame_param_path="flame_param/99999.npz"), "99999.npz is missing"),
    ],
)
def test_another_layout_is_named(folder, tmp_path, change, named):
    with pytest.raises(ValueError, match=named):
        read_tracks(edited(folder, tmp_path, change))


def test_a_truncated_parameter_file_and_a_lost_picture_are_named(folder, tmp_path):
    edited(folder, tmp_path, lambda content: None)
    for name in ("flame_param", "images"):
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
    for path in (folder / "flame_param").iterdir():
        (tmp_path / "flame_param" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="00000_00.png is missing"):
        chosen_track(read_tracks(tmp_path), f"{tmp_path.name}_camera0").picture(0)
    path = tmp_path / "flame_param" / "00001.npz"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match="00001.npz is missing, damaged"):
        read_tracks(tmp_path)
