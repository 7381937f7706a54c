"""omg evaluate on a small network and small clips, as a person runs it: networks, pictures, two runs, bad input."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from omg_jax.evaluation.protocol import PROTOCOLS
from omg_jax.head.load import load_head
from tests.unit.evaluation.small_clips import FRAMES, write_small_clips

METRICS = ("--metrics", "psnr", "ssim")
REPORTS = ("results.json", "frames.csv", "tables.md", "tables.tex", "report.html", "run.json", "pictures/index.json")


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A folder of clips of the protocols' size."""
    return write_small_clips(tmp_path_factory.mktemp("clips"), load_head("arkit"), 512)


@pytest.fixture
def network(tiny_weights, clips) -> list:
    """Options of an evaluation of the tiny network."""
    return [tiny_weights, "--preset", "tiny", "--data", clips, "--levels", 0, *METRICS]


def test_a_network_its_pictures_and_both_compared(omg, network, clips, tmp_path):
    drawn, read = tmp_path / "drawn", tmp_path / "read"
    run = omg("evaluate", *network, "-o", drawn, "--shoulders", "still", "follow", "--keep-pictures", "--json")
    assert run.code == 0, run.err
    facts, results = json.loads(run.out), json.loads((drawn / "results.json").read_text())
    assert facts["results"] == results["results"]
    assert all((drawn / name).stat().st_size for name in REPORTS)
    networks = ["level 0", "level 0, coarse", "level 0, shoulders follow", "level 0, coarse, shoulders follow"]
    assert list(results["methods"]) == [*networks, "repeat", "similarity", "projection", "mesh flow"]
    assert results["data"]["frames"] == sum(map(len, FRAMES.values())) - len(FRAMES)
    still, follow = (results["results"][name]["psnr"]["mean"] for name in networks[::2])
    assert still != follow
    assert set(json.loads((drawn / "run.json").read_text())["seconds_per_frame"]) == set(networks)

    written = {name: (drawn / name).read_bytes() for name in ("results.json", "frames.csv")}
    pictures = ["--pictures", drawn / "kept" / "level-0", "--name", "level 0", "--no-baselines"]
    run = omg("evaluate", *pictures, "--data", clips, *METRICS, "-o", read)
    assert run.code == 0 and "PSNR" in run.out
    again = json.loads((read / "results.json").read_text())
    assert again["results"]["level 0"] == results["results"]["level 0"]

    run = omg("evaluate", "--compare", drawn, read, "--json")
    assert run.code == 0
    differences = json.loads(run.out)["differences"]
    assert [(row["method"], row["key"]) for row in differences] == [("level 0", "psnr"), ("level 0", "ssim")]
    assert all(row["difference"]["mean"] == 0.0 for row in differences)

    (drawn / "results.json").unlink()  # as after an interruption at the end
    again = omg("evaluate", *network, "-o", drawn, "--shoulders", "still", "follow", "--json")
    assert again.code == 0
    assert written == {name: (drawn / name).read_bytes() for name in written}


def test_another_person_drives(omg, clips, tmp_path):
    inputs, scored = tmp_path / "inputs", tmp_path / "scored"
    options = ["--protocol", "cross", "--data", clips, "--max-frames", 2, "--max-pairs", 1]
    assert omg("evaluate", "--inputs", inputs, *options).code == 0
    drawn = tmp_path / "drawn" / "anna--bert"
    drawn.mkdir(parents=True)
    for number in json.loads((inputs / "protocol.json").read_text())["frames"]["anna--bert"]:
        shutil.copy(inputs / "anna--bert" / "source.png", drawn / f"{number:06d}.png")
    options += ["--pictures", drawn.parent, "--name", "repeat, as a file"]
    run = omg("evaluate", *options, "-o", scored, "--metrics", "psnr", "csim_sface_source", "--json")
    assert run.code == 0, run.err
    results = json.loads(run.out)["results"]
    assert list(results["repeat"]) == ["csim_sface_source"]
    assert results["repeat, as a file"] == results["repeat"]
    assert (scored / "pictures" / "anna--bert" / "000000_driver.jpg").is_file()


@pytest.fixture
def pictures(omg, clips, tmp_path) -> Path:
    """A method's pictures, complete: the driver frames themselves."""
    omg("evaluate", "--inputs", tmp_path / "inputs", "--data", clips)
    for path in (tmp_path / "inputs").glob("*/driver_*.png"):
        place = tmp_path / "pictures" / path.parent.name / path.name.removeprefix("driver_")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, place)
    return tmp_path / "pictures"


def test_pictures_that_are_missing_or_odd_keep_the_finished_pairs(omg, clips, pictures, tmp_path):
    spoilt, output = pictures / "bert" / "000006.png", tmp_path / "output"
    options = ["--pictures", pictures, "--name", "copied", "--data", clips, "--no-baselines", *METRICS, "-o", output]
    good = spoilt.read_bytes()
    spoilt.unlink()
    assert_refused(omg("evaluate", *options), "pair bert: copied: 1 of 2 pictures are missing", "000006.png")
    Image.new("RGB", (256, 512)).save(spoilt)
    assert_refused(omg("evaluate", *options), "pair bert: copied", "000006.png is 256x512, expected 512x512")
    assert [path.name for path in (output / "pairs").iterdir()] == ["anna.json"]
    assert not (output / "results.json").exists()
    spoilt.write_bytes(good)
    assert omg("evaluate", *options).code == 0
    assert_refused(omg("evaluate", *options, "--max-frames", 1), "other settings: protocol, max_frames was null")


def test_input_that_cannot_be_evaluated(omg, clips, pictures, network, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    named = ["--pictures", pictures, "--name", "copied", *METRICS, "-o", tmp_path / "output"]
    for options, *words in (
        ([*named, "--data", empty], "is no dataset"),
        ([*named, "--data", clips, "--protocol", "cross"], "no targets"),
        ([*named, "--data", clips, "--max-pairs", 0], "--max-pairs must be at least 1"),
        ([*named[2:], "--pictures", empty, "--name", "copied", "--data", clips], "3 of 3 pictures are missing"),
        (["--pictures", pictures, "--data", clips, *METRICS, "-o", tmp_path], "--name NAME"),
        ([*named, "--data", clips, "--name", "Mesh Flow"], "another method is called 'Mesh Flow'"),
        ([*network, "-o", tmp_path, "--levels", 3], "levels from 0 to 2"),
        (network, "-o FOLDER"),
        ([*network, "--metrics", "fid", "-o", tmp_path], "'fid'", "csim_sface_source"),
        (["--compare", clips, clips], "holds no results.json"),
    ):
        assert_refused(omg("evaluate", *options), *words)
    (pictures / "protocol.json").write_text(json.dumps({"protocol": {"name": "self", "version": 0}}))
    expected = f"another protocol: its version is 0, expected {PROTOCOLS['self'].version}"
    assert_refused(omg("evaluate", *named, "--data", clips), expected)


def assert_refused(run, *words: str) -> None:
    """One line that holds these words, and exit code 2."""
    assert run.code == 2
    message = run.err.rstrip("\n").splitlines()[-1]
    assert message.startswith("omg: ")
    for word in words:
        assert word in message, message
