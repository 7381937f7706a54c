"""Reads what an evaluation left in its folder: results.json, frames.csv, run.json and the index of its pictures."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

RESULTS_NAME, FRAMES_NAME, RUN_NAME, PICTURES_NAME = "results.json", "frames.csv", "run.json", "pictures/index.json"
FORMAT = 1


class Evaluation(NamedTuple):
    """An evaluation's folder, read.

    results: what the metrics said, and of which protocol, data and methods; run: how it was computed; frames: pair ->
    method -> frame -> key -> value of every frame (values that do not exist are left out); pictures: pair -> the files
    below pictures/PAIR. The last three are empty where their file is missing.
    """

    folder: Path
    results: dict[str, Any]
    run: dict[str, Any]
    frames: dict[str, dict[str, dict[int, dict[str, float]]]]
    pictures: dict[str, dict[str, Any]]


def load_results(folder: Path | str) -> dict[str, Any]:
    """results.json of an evaluation's folder.

    ValueError where the file is missing, cannot be read, or has another format.
    """
    path = Path(folder) / RESULTS_NAME
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no {RESULTS_NAME}; expected the folder of a finished evaluation: run omg evaluate again "
            "with -o and this folder, and it goes on where it stopped"
        )
    results = _load_json(path)
    if results.get("format") != FORMAT:
        raise ValueError(f"{path} has format {results.get('format')}, expected {FORMAT}; evaluate again")
    return results


def load_evaluation(folder: Path | str) -> Evaluation:
    """Everything that an evaluation left. ValueError as ``load_results``, or where another file cannot be read."""
    folder = Path(folder)
    results = load_results(folder)
    run, pictures = (
        _load_json(folder / name) if (folder / name).is_file() else {} for name in (RUN_NAME, PICTURES_NAME)
    )
    return Evaluation(folder, results, run, _load_frames(folder / FRAMES_NAME), pictures)


def main_method(results: dict[str, Any]) -> str:
    """The method that a report looks at: the first, whose worst frames there are pictures of."""
    return next(iter(results["methods"]))


def _load_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); evaluate again") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object; evaluate again")
    return value


def _load_frames(path: Path) -> dict[str, dict[str, dict[int, dict[str, float]]]]:
    frames: dict = {}
    if not path.is_file():
        return frames
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            pair, method, frame = row.pop("pair"), row.pop("method"), int(row.pop("frame"))
            values = {key: float(text) for key, text in row.items() if text}
            frames.setdefault(pair, {}).setdefault(method, {})[frame] = values
    return frames
