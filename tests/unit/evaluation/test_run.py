"""The run: its numbers, its files, and that it goes on where it stopped."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from omg_jax.evaluation import run
from omg_jax.evaluation.circumstances import peaks
from omg_jax.evaluation.judge import Judge
from omg_jax.evaluation.measures import psnr
from omg_jax.evaluation.method import Method, slug
from omg_jax.evaluation.picture_folders import frame_name, pictures_method
from omg_jax.evaluation.protocol import PROTOCOLS
from omg_jax.evaluation.run import evaluate
from omg_jax.evaluation.summary import six_digits
from tests.unit.evaluation.small_clips import small_pairs

KEYS = ("psnr", "ssim", "flicker")
FILES = ("results.json", "frames.csv", "pictures/index.json")


class Dimmed:
    """A method: the driver frame, darker from frame to frame. Counts the pairs that it drew."""

    def __init__(self, step: float = 0.1, spoil: dict[str, object] | None = None):
        self.step, self.spoil, self.drawn = step, spoil or {}, []

    def __call__(self, pair) -> Iterator[np.ndarray]:
        self.drawn.append(pair.name)
        for index, image in enumerate(pair.driver_images):
            picture = image * np.float32(1.0 - self.step * index)
            yield self.spoil.get(pair.name, lambda picture: picture)(picture)


@pytest.fixture
def judge(head):
    return Judge(head, KEYS)


@pytest.fixture
def pair_set(clips, head):
    return small_pairs(clips, head, "self")


def methods_of(*drawers: Dimmed) -> dict[str, Method]:
    names = ("level 2, coarse", "plain")
    return {name: Method(draw, {"kind": "network"}) for name, draw in zip(names, drawers, strict=False)}


def test_numbers_are_those_of_the_pictures(pair_set, judge, tmp_path):
    results = evaluate(pair_set, methods_of(Dimmed(), Dimmed(0.0)), judge, tmp_path)
    assert results == json.loads((tmp_path / "results.json").read_text())
    pair = pair_set.pairs["anna"]()
    dimmed = [np.round(picture * 255.0).astype(np.uint8) / np.float32(255.0) for picture in Dimmed()(pair)]
    expected = [psnr(picture, target) for picture, target in zip(dimmed, pair.driver_images, strict=True)]
    assert results["pairs"]["anna"]["level 2, coarse"]["psnr"] == pytest.approx(np.mean(expected))
    assert results["results"]["plain"]["psnr"]["mean"] == six_digits(100.0)
    assert results["data"]["frames"] == 5 and results["data"]["pairs"] == 2
    assert list(results["metrics"]) == list(KEYS)


def test_equal_runs_have_equal_bytes(pair_set, judge, tmp_path):
    for name in ("one", "other"):
        evaluate(pair_set, methods_of(Dimmed(), Dimmed(0.0)), judge, tmp_path / name, command=name)
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    assert json.loads((tmp_path / "one" / "run.json").read_text())["command"] == "one"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda picture: np.where(picture > 0.5, np.nan, picture), "not finite"),
        (lambda picture: picture[:32], r"has shape \(32, 64, 3\), expected \(64, 64, 3\)"),
    ],
    ids=["NaN", "another size"],
)
def test_a_spoilt_pair_is_named_and_the_finished_ones_stay(pair_set, judge, tmp_path, spoil, message):
    with pytest.raises(ValueError, match=f"pair bert: level 2, coarse: the picture of frame 3 .*{message}"):
        evaluate(pair_set, methods_of(Dimmed(spoil={"bert": spoil})), judge, tmp_path)
    assert [path.name for path in (tmp_path / "pairs").iterdir()] == ["anna.json"]
    assert not (tmp_path / "results.json").exists()
    mended = Dimmed()
    evaluate(pair_set, methods_of(mended), judge, tmp_path)
    assert mended.drawn == ["bert"]
    evaluate(pair_set, methods_of(Dimmed()), judge, tmp_path / "at once")
    for file in FILES:
        assert (tmp_path / file).read_bytes() == (tmp_path / "at once" / file).read_bytes()


def test_a_picture_too_few_is_told(pair_set, judge, tmp_path):
    def draw(pair) -> Iterator[np.ndarray]:
        yield pair.source_image

    with pytest.raises(ValueError, match="pair anna: short: expected a picture for each of 3 frames, got 1"):
        evaluate(pair_set, {"short": Method(draw, {"kind": "baseline"})}, judge, tmp_path)


def test_other_settings_are_refused_by_name(clips, head, pair_set, judge, tmp_path):
    evaluate(pair_set, methods_of(Dimmed()), judge, tmp_path)
    version = PROTOCOLS["self"].version
    for others, message in (
        (
            (small_pairs(clips, head, "self", version=version + 1), methods_of(Dimmed()), judge),
            f"protocol, version was {version}, now it is {version + 1}",
        ),
        ((pair_set, methods_of(Dimmed(), Dimmed()), judge), "methods, plain was null"),
        ((pair_set, methods_of(Dimmed()), Judge(head, ("psnr",))), "metrics, ssim"),
    ):
        with pytest.raises(ValueError, match=f"other settings: {message}"):
            evaluate(*others, tmp_path)


def test_metrics_that_all_need_a_target_are_refused_without_one(clips, head, judge, tmp_path):
    with pytest.raises(ValueError, match="protocol cross has no targets: ask for metrics of csim_sface_source"):
        evaluate(small_pairs(clips, head, "cross"), methods_of(Dimmed()), judge, tmp_path)


def test_kept_pictures_are_measured_alike_and_again_when_they_change(pair_set, judge, tmp_path):
    name, coarse = "level 2, coarse", Dimmed()
    first = evaluate(pair_set, methods_of(coarse), judge, tmp_path / "drawn", keep_pictures=True)
    kept = tmp_path / "drawn" / "kept" / slug(name)
    again = evaluate(pair_set, {name: pictures_method(kept, pair_set)}, judge, tmp_path / "read")
    assert again["results"] == first["results"] and again["pairs"] == first["pairs"]
    changed = kept / "bert" / frame_name(6)
    Image.new("RGB", (64, 64)).save(changed)
    third = evaluate(pair_set, {name: pictures_method(kept, pair_set)}, judge, tmp_path / "read")
    assert third["pairs"]["anna"] == first["pairs"]["anna"]
    assert third["pairs"]["bert"][name]["psnr"] < first["pairs"]["bert"][name]["psnr"]


def test_pairs_are_measured_again_where_the_code_changed_or_a_picture_is_gone(pair_set, judge, tmp_path, monkeypatch):
    evaluate(pair_set, methods_of(Dimmed()), judge, tmp_path)
    (tmp_path / "pictures" / "anna" / "source.jpg").unlink()
    again = Dimmed()
    evaluate(pair_set, methods_of(again), judge, tmp_path)
    assert again.drawn == ["anna"] and (tmp_path / "pictures" / "anna" / "source.jpg").is_file()
    monkeypatch.setattr(run, "code_sha256", lambda: "another")
    brighter = Dimmed(0.0)
    found = evaluate(pair_set, methods_of(brighter), judge, tmp_path)
    assert brighter.drawn == ["anna", "bert"]
    assert found["results"]["level 2, coarse"]["psnr"]["mean"] == six_digits(100.0)


def test_a_number_that_is_none_is_no_value(pair_set, judge, tmp_path, monkeypatch):
    score = judge.score
    monkeypatch.setattr(judge, "score", lambda *given: [row | {"ssim": float("nan")} for row in score(*given)])
    found = evaluate(pair_set, methods_of(Dimmed()), judge, tmp_path)["results"]["level 2, coarse"]
    assert found["ssim"]["mean"] is None and found["psnr"]["mean"] is not None


def test_peaks_of_runs_on_several_kinds_of_device():
    assert peaks([{"process": 3.0, "device": 1.0}, {"process": 5.0}]) == {"process": 5.0, "device": 1.0}


def test_pictures_that_were_not_kept_are_drawn_again_when_asked_for(pair_set, judge, tmp_path):
    evaluate(pair_set, methods_of(Dimmed()), judge, tmp_path)
    again = Dimmed()
    evaluate(pair_set, methods_of(again), judge, tmp_path, keep_pictures=True)
    assert again.drawn == ["anna", "bert"]
    assert len(list((tmp_path / "kept" / "level-2-coarse").glob("*/*.png"))) == 5


def test_the_worst_frame_is_shown(pair_set, judge, tmp_path):
    evaluate(pair_set, methods_of(Dimmed(), Dimmed(0.0)), judge, tmp_path)
    entry = json.loads((tmp_path / "pictures" / "index.json").read_text())["anna"]
    worst = [frame for frame in entry["frames"] if frame["worst"]]
    assert [frame["frame"] for frame in worst] == [12]  # the darkest
    files = [
        entry["source"],
        *(file for frame in entry["frames"] for file in [frame["target"], *frame["methods"].values()]),
    ]
    assert all((tmp_path / "pictures" / file).is_file() for file in files)
    assert set(worst[0]["methods"]) == {"level 2, coarse", "plain"}


def test_names_of_files():
    assert slug("level 2, coarse") == "level-2-coarse"
    with pytest.raises(ValueError, match="a letter or a digit"):
        slug("...")
