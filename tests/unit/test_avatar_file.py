"""The avatar file: what goes in comes out, and everything else is refused in one sentence."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from omg_jax import avatar_file
from omg_jax.avatar_file import FORMAT_VERSION, Avatar, AvatarMeta, HeadGaussians, load_avatar, save_avatar
from omg_jax.types import Camera, Gaussians

META = AvatarMeta(FORMAT_VERSION, "arkit", "a" * 64, "small", "paper", "b" * 64)


def random_attributes(rng: np.random.Generator, n: int, channels: int = 5) -> dict:
    shapes = {"quats": (n, 4), "scales": (n, 3), "opacities": (n,), "features": (n, channels)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def random_avatar(num_vertices=(4, 9, 20), num_plane: int = 6) -> Avatar:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(num_plane, 3)).astype(np.float32)
    return Avatar(
        levels=tuple(HeadGaussians(**random_attributes(rng, n)) for n in num_vertices),
        plane=Gaussians(means=means, **random_attributes(rng, num_plane)),
        shape_params=rng.normal(size=7).astype(np.float32),
        vertex_offsets=rng.normal(size=(num_vertices[0], 3)).astype(np.float32),
        photo=rng.random((8, 6, 3), np.float32),
        source_camera=Camera(np.eye(4, dtype=np.float32), np.eye(3, dtype=np.float32)),
        meta=META,
    )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "avatar.omg"
    save_avatar(path, random_avatar())
    return path


def refusal(path) -> str:
    """The one-sentence error that loading gives."""
    with pytest.raises(ValueError) as error:
        load_avatar(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def rewrite(path, change, metadata=None) -> None:
    """Saves the file again with its arrays changed in place by ``change``."""
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path, metadata=omg_metadata(**META._asdict()) if metadata is None else metadata)


def omg_metadata(**fields) -> dict[str, str]:
    return {"omg-avatar": json.dumps(fields)}


def test_round_trip_keeps_every_bit(saved):
    original, loaded = random_avatar(), load_avatar(saved)
    assert loaded.meta == original.meta
    before, after = avatar_file.named_arrays(original), avatar_file.named_arrays(loaded)
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_the_same_avatar_makes_the_same_file(saved, tmp_path):
    save_avatar(tmp_path / "again.omg", load_avatar(saved))
    assert (tmp_path / "again.omg").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    assert "cut short" in refusal(saved)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "notes.omg"
    path.write_text("this is not an avatar, it is a note about one\n")
    assert "another kind" in refusal(path)


def test_a_missing_file_is_named(tmp_path):
    assert "omg reconstruct" in refusal(tmp_path / "missing.omg")


def test_foreign_safetensors_are_refused(saved):
    rewrite(saved, lambda arrays: None, metadata={"format": "pt"})
    assert "no avatar" in refusal(saved)


def test_another_format_version_is_refused(saved):
    rewrite(saved, lambda arrays: None, metadata=omg_metadata(format_version=7))
    assert "version 7" in refusal(saved)


def test_missing_metadata_is_named(saved):
    rewrite(saved, lambda arrays: None, metadata=omg_metadata(format_version=FORMAT_VERSION, preset="small"))
    assert "head_sha256" in refusal(saved)


def test_a_missing_array_is_named(saved):
    rewrite(saved, lambda arrays: arrays.pop("level1.quats"))
    assert "level1.quats" in refusal(saved)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("level2.scales", (19, 3)),  # fewer rows than the level's other arrays
        ("vertex_offsets", (5, 3)),  # more vertices than level 0
        ("plane.features", (6, 4)),  # another number of channels than the head
        ("source_camera.intrinsics", (4, 4)),
        ("shape_params", (7, 1)),
    ],
)
def test_arrays_that_do_not_fit_are_named(saved, name, shape):
    rewrite(saved, lambda arrays: arrays.update({name: np.zeros(shape, np.float32)}))
    assert name in refusal(saved)


def test_another_dtype_is_refused(saved):
    rewrite(saved, lambda arrays: arrays.update(shape_params=arrays["shape_params"].astype(np.float64)))
    assert "float64" in refusal(saved)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fails(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(avatar_file, "save_file", fails)
    with pytest.raises(KeyboardInterrupt):
        save_avatar(saved, random_avatar())
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]
