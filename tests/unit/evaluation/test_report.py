"""The report: one file that needs nothing else, and that a browser shows."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from omg_jax.evaluation.markup import element, page
from omg_jax.evaluation.plots import COLOURS, axis_scale, method_colours, strip_plot
from omg_jax.evaluation.report import write_report
from omg_jax.evaluation.thumbnails import ERROR_COLOURS, ERROR_SHOWN, SIZES, error_map, fitting_size
from tests.unit.evaluation.result_folder import METHODS, write_example

VOID = {"meta", "img", "br", "hr", "link", "input"}
BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


class Document(HTMLParser):
    """Collects a page's elements, and checks that every one is closed in its turn."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def report_of(folder) -> Document:
    return Document(write_report(folder).read_text())


@pytest.fixture
def folder(tmp_path):
    write_example(tmp_path)
    return tmp_path


def test_nothing_is_asked_from_outside(folder):
    text = write_report(folder).read_text()
    document = Document(text)
    assert {image["src"].partition(",")[0] for image in document.all("img")} == {"data:image/webp;base64"}
    assert all(link["href"].startswith("#") for link in document.all("a"))
    assert not document.all("script") and not document.all("link")
    assert "//" not in re.sub(r"base64,[^\"]*", "", text)
    assert "url(" not in text and "@import" not in text


def test_links_lead_to_places_in_the_page(folder):
    document = report_of(folder)
    places = {attributes["id"] for _, attributes in document.elements if "id" in attributes}
    assert {link["href"][1:] for link in document.all("a")} <= places


def test_results_circumstances_and_metrics_are_told(folder):
    results, run = (json.loads((folder / name).read_text()) for name in ("results.json", "run.json"))
    texts = report_of(folder).texts
    whole = "\n".join(texts)
    for method in METHODS:
        mean = results["results"][method]["psnr"]["mean"]
        assert method in texts and f"{mean:.2f}" in texts
    assert run["command"] in texts and run["device"] in whole and run["commit"] in whole
    assert all(metric["formula"] in texts for metric in results["metrics"].values())
    assert results["protocol"]["crop"] in texts
    assert results["data"]["sha256"] in whole
    assert "22.72" in texts  # the paper's


def test_speed_and_memory_are_told(folder):
    texts = report_of(folder).texts
    assert "0.250" in texts and "4.00" in texts
    assert any("2.0 GiB" in text for text in texts)


def test_the_worst_frame_of_the_worst_pair_comes_first(folder):
    """The example's first pair is its worst, and of every pair the last frame."""
    texts = report_of(folder).texts
    start = texts.index("Worst frames", texts.index("Worst frames") + 1)  # after its link
    shown = [text for text in texts[start:] if text.startswith("clip_")]
    assert shown[:3] == ["clip_0", "clip_1", "clip_2"]
    assert texts[texts.index("clip_0", start) + 1].strip() == ", frame 11"


def test_every_pair_has_a_dot_for_every_method_and_metric(folder):
    circles = report_of(folder).all("circle")
    metrics = json.loads((folder / "results.json").read_text())["metrics"]
    regions = [key for key in metrics if key.startswith("psnr_")]
    assert len(circles) == 3 * len(METHODS) * (len(metrics) - len(regions)) + len(METHODS) * len(regions)


def test_cross_identity_has_drivers_and_no_errors(tmp_path):
    write_example(tmp_path, pairs=("a--b", "b--a"), protocol="cross")
    document = report_of(tmp_path)
    told = [image["alt"] for image in document.all("img")]
    assert "driver" in told and not any("error" in alt for alt in told)
    assert not any("Regions" in text for text in document.texts)


def test_a_folder_with_results_alone_is_enough(folder):
    for name in ("frames.csv", "run.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "pictures")
    document = report_of(folder)
    assert not document.all("img")
    assert "Results" in document.texts and "Pictures" not in document.texts


def test_a_missing_picture_is_named(folder):
    (folder / "pictures" / "clip_1" / "source.jpg").unlink()
    with pytest.raises(ValueError, match=r"clip_1/source\.jpg"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_names_are_escaped(tmp_path):
    write_example(tmp_path, methods={'<b>"mine"&': "pictures"})
    document = report_of(tmp_path)
    assert '<b>"mine"&' in document.texts
    assert all(tag != '<b>"mine"&' for tag, _ in document.elements)


def test_the_same_folder_gives_the_same_bytes(folder):
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first


def test_many_pairs_are_shown_with_fewer_frames_each(tmp_path, monkeypatch):
    monkeypatch.setattr("omg_jax.evaluation.gallery.MAX_ROWS", 3)
    write_example(tmp_path)
    document = report_of(tmp_path)
    frames = [text for text in document.texts if re.fullmatch(r"frame \d+(, worst)?", text)]
    assert frames == ["frame 11, worst"] * 3


def test_text_and_attributes_are_escaped_and_void_elements_closed():
    text = page("a < b", "p > b { }", element("body", "x & y", element("img", alt='"'), "z", class_="a&b"))
    document = Document(text)
    assert document.all("body") == [{"class": "a&b"}] and document.all("img") == [{"alt": '"'}]
    assert ["x & y", "z"] == document.texts[-3:-1]
    assert "p > b { }" in text


def test_an_axis_holds_its_values_and_has_round_ticks():
    scale = axis_scale([0.8213, 0.9347, 0.8])
    assert scale.low < 0.8 and scale.high > 0.9347
    assert [f"{tick:.{scale.decimals}f}" for tick in scale.ticks] == ["0.80", "0.85", "0.90"]
    assert scale.place(scale.low) < scale.place(0.9) < scale.place(scale.high)


def test_an_axis_of_one_value_is_no_division_by_zero():
    scale = axis_scale([0.0, 0.0])
    assert scale.low < 0.0 < scale.high


def test_dots_lie_in_the_order_of_their_values():
    summary = {"mean": 2.0, "low": 1.5, "high": 2.5}
    svg = strip_plot({"m": {"a": 1.0, "b": 3.0, "c": 2.0}}, {"m": summary}, {"m": "#000"}, 2)
    places = [float(circle.get("cx")) for circle in svg.iter("circle")]
    assert places[0] < places[2] < places[1]
    interval = next(line for line in svg.iter("line") if line.get("class") == "interval")
    assert places[0] < float(interval.get("x1")) < places[2] < float(interval.get("x2")) < places[1]


def test_methods_of_a_kind_have_different_colours():
    methods = {f"level {level}": {"kind": "network"} for level in range(4)} | {"repeat": {"kind": "baseline"}}
    colours = method_colours(methods)
    assert len(set(colours.values())) == 5
    assert colours["repeat"] in COLOURS["baseline"]


def test_error_maps_are_black_without_an_error_and_brightest_from_a_quarter_on():
    grey = Image.new("RGB", (4, 4), (128, 128, 128))
    lighter = Image.new("RGB", (4, 4), (128 + round(255 * ERROR_SHOWN) + 1,) * 3)
    assert (np.asarray(error_map(grey, grey)) == ERROR_COLOURS[0]).all()
    assert (np.asarray(error_map(lighter, grey)) == ERROR_COLOURS[-1]).all()
    with pytest.raises(ValueError, match="agree in size"):
        error_map(grey, Image.new("RGB", (8, 8)))


def test_more_pictures_are_smaller():
    sizes = [fitting_size(count, 1_000_000) for count in (10, 500, 1000, 10**6)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == SIZES[0] and sizes[-1] == SIZES[-1]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_shows_it_on_a_narrow_screen(folder, tmp_path):
    """All pictures are decoded, and the page does not scroll sideways: its wide tables do."""
    asking = (
        "<script>onload = () => { const all = [...document.images]; document.title = JSON.stringify({"
        "pictures: all.length, decoded: all.filter(i => i.naturalWidth > 0).length,"
        "wide: document.documentElement.scrollWidth - innerWidth}); }</script>"
    )
    text = write_report(folder).read_text()
    (tmp_path / "asking.html").write_text(text.replace("</body>", f"{asking}</body>"))
    shot = tmp_path / "shot.png"
    options = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,4000", "--hide-scrollbars"]
    url = (tmp_path / "asking.html").as_uri()
    made = subprocess.run(
        [*options, f"--screenshot={shot}", "--dump-dom", url], capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads(re.search(r"<title>(.*?)</title>", made.stdout)[1])
    assert found["pictures"] == found["decoded"] > 0
    assert found["wide"] <= 0
