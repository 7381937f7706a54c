"""Pictures as files: what is written is read, and what is missing or odd is told in a sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from omg_jax.evaluation.pair_sets import pair_sha256
from omg_jax.evaluation.picture_folders import (
    PROTOCOL_NAME,
    frame_name,
    pictures_method,
    read_picture,
    save_picture,
    write_inputs,
    write_protocol,
)
from omg_jax.types import Camera, HeadParams
from tests.unit.evaluation.small_clips import SIZE, small_pairs


@pytest.fixture
def pair_set(clips, head):
    return small_pairs(clips, head, "self")


@pytest.fixture
def drawn(pair_set, tmp_path):
    """A folder with the targets themselves as pictures."""
    for load in pair_set.pairs.values():
        pair = load()
        for number, image in zip(pair.frame_numbers, pair.driver_images, strict=True):
            save_picture(tmp_path / "drawn" / pair.name / frame_name(number), image)
    return tmp_path / "drawn"


def test_pictures_come_back_as_they_were(pair_set, drawn):
    pair, method = pair_set.pairs["anna"](), pictures_method(drawn, pair_set)
    np.testing.assert_array_equal(np.stack(list(method.render(pair))), pair.driver_images)
    before = method.digest("anna")
    assert before == method.digest("anna") != method.digest("bert")
    save_picture(drawn / "anna" / frame_name(pair.frame_numbers[0]), pair.source_image)
    assert method.digest("anna") != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "1 of 3 pictures are missing.*000008.png"),
        (lambda path: Image.new("RGB", (SIZE, 32)).save(path), "000008.png is 64x32, expected 64x64"),
        (lambda path: path.write_text("no picture"), "000008.png is not a readable picture"),
        (lambda path: damage(path), "000008.png is not a readable picture"),
    ],
    ids=["missing", "another size", "no picture", "damaged"],
)
def test_a_picture_that_cannot_be_measured_is_named(pair_set, drawn, change, message):
    change(drawn / "anna" / frame_name(8))
    with pytest.raises(ValueError, match=message):
        list(pictures_method(drawn, pair_set).render(pair_set.pairs["anna"]()))


def damage(path) -> None:
    """Spoils the header of the file's pixels."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b"IDAT", b"I\0AT"))


def test_what_is_transparent_is_black(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.array([[[200, 100, 50, 255], [200, 100, 50, 0]]], np.uint8)).save(path)
    np.testing.assert_array_equal(read_picture(path, (1, 2)) * 255.0, [[[200, 100, 50], [0, 0, 0]]])


def test_pictures_made_of_other_frames_are_refused(pair_set, drawn):
    """Clips that were tracked again have the same names and counts."""
    pair = pair_set.pairs["anna"]()
    write_protocol(drawn, pair_set, {"anna": pair_sha256(pair)})
    assert list(pictures_method(drawn, pair_set).render(pair))
    moved = pair._replace(driver_mattes=0.5 * pair.driver_mattes)
    with pytest.raises(ValueError, match="other frames or heads of anna"):
        list(pictures_method(drawn, pair_set).render(moved))


def test_an_empty_folder_and_none(pair_set, tmp_path):
    with pytest.raises(ValueError, match="3 of 3 pictures are missing"):
        list(pictures_method(tmp_path, pair_set).render(pair_set.pairs["anna"]()))
    with pytest.raises(ValueError, match="no folder of pictures"):
        pictures_method(tmp_path / "none", pair_set)


def test_pictures_made_for_something_else_are_refused(pair_set, drawn):
    write_protocol(drawn, pair_set)
    pictures_method(drawn, pair_set)
    made_for = json.loads((drawn / PROTOCOL_NAME).read_text())
    version = made_for["protocol"]["version"]
    for change, message in (
        (
            {"protocol": made_for["protocol"] | {"version": version + 1}},
            f"another protocol: its version is {version + 1}, expected {version}",
        ),
        ({"data": {"name": "others", "sha256": "another"}}, "other data"),
    ):
        (drawn / PROTOCOL_NAME).write_text(json.dumps(made_for | change))
        with pytest.raises(ValueError, match=message):
            pictures_method(drawn, pair_set)


def test_inputs_hold_what_a_method_needs(pair_set, tmp_path):
    write_inputs(pair_set, tmp_path)
    pair = pair_set.pairs["bert"]()
    with np.load(tmp_path / "bert" / "params.npz") as arrays:
        for name in (*HeadParams._fields, *Camera._fields):
            part = "camera" if name in Camera._fields else "params"
            for side in ("source", "driver"):
                np.testing.assert_array_equal(arrays[f"{side}_{name}"], getattr(getattr(pair, f"{side}_{part}"), name))
    photo = np.asarray(Image.open(tmp_path / "bert" / "source.png"), np.float32) / 255.0
    np.testing.assert_array_equal(photo, pair.source_image)
    told = json.loads((tmp_path / PROTOCOL_NAME).read_text())
    assert told["frames"]["bert"] == list(pair.frame_numbers)
    assert all((tmp_path / "bert" / f"driver_{frame_name(number)}").is_file() for number in pair.frame_numbers)
