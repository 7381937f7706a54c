"""Videos and contact sheets."""

import imageio.v2 as imageio
import numpy as np
import pytest

from omg_jax.cli.video import CAPTION_HEIGHT, captioned, contact_sheet, resized, to_bytes, write_picture, write_video


def flat(value: int, size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def test_a_video_holds_the_frames_it_was_given(tmp_path):
    path = tmp_path / "clip.mp4"
    values = [20, 120, 220]
    assert write_video(path, (flat(value) for value in values), fps=12.0) == 3
    with imageio.get_reader(path) as reader:
        assert reader.get_meta_data()["fps"] == 12.0
        means = [frame.mean() for frame in reader]
    # H.264's limited-range colour moves a flat grey by a level or two; the frames are 100 apart.
    assert [round(mean, -1) for mean in means] == values


def test_an_empty_video_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="no frame"):
        write_video(tmp_path / "clip.mp4", iter(()), fps=30.0)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_renderer_leaves_no_video(tmp_path):
    def frames():
        yield flat(0)
        raise ValueError("the renderer stopped")

    with pytest.raises(ValueError, match="the renderer stopped"):
        write_video(tmp_path / "clip.mp4", frames(), fps=30.0)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_several_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one size"):
        write_video(tmp_path / "clip.mp4", iter([flat(0, 64), flat(0, 32)]), fps=30.0)
    assert list(tmp_path.iterdir()) == []


def test_another_video_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="mp4"):
        write_video(tmp_path / "clip.gif", iter([flat(0)]), fps=30.0)


def test_a_contact_sheet_puts_rows_and_columns_in_order():
    rows = [[flat(10), flat(60)], [flat(110), flat(160)], [flat(210), flat(255)]]
    sheet = contact_sheet(rows, ["source", "driver"])
    assert sheet.shape == (3 * 64 + CAPTION_HEIGHT, 2 * 64, 3)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            y, x = CAPTION_HEIGHT + 64 * i, 64 * j
            np.testing.assert_array_equal(sheet[y : y + 64, x : x + 64], picture)


def test_a_ragged_contact_sheet_is_refused():
    with pytest.raises(ValueError, match="one per caption"):
        contact_sheet([[flat(0), flat(0)], [flat(0)]], ["source", "driver"])


def test_a_caption_leaves_the_picture_alone():
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    labelled = captioned(picture, "level 2")
    np.testing.assert_array_equal(labelled[CAPTION_HEIGHT:], picture)
    assert np.unique(labelled[:CAPTION_HEIGHT]).size > 2  # letters, not only the strip's colour


def test_to_bytes_rounds_and_clips():
    np.testing.assert_array_equal(to_bytes(np.array([[[-1.0, 0.5, 2.0]]])), [[[0, 128, 255]]])


def test_a_picture_survives_its_file(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    write_picture(tmp_path / "picture.png", picture)
    np.testing.assert_array_equal(imageio.imread(tmp_path / "picture.png"), picture)


def test_resizing_keeps_a_flat_picture_flat():
    np.testing.assert_array_equal(resized(flat(77), 32), flat(77, 32))
