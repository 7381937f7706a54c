"""An evaluation, from pairs and methods to a folder of results: pair by pair, and resumable after any of them."""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from omg_jax.evaluation.circumstances import circumstances, code_sha256
from omg_jax.evaluation.judge import Judge
from omg_jax.evaluation.method import Method, slug
from omg_jax.evaluation.metrics import METRICS, Metric, metric
from omg_jax.evaluation.pair import Pair
from omg_jax.evaluation.pair_sets import PairSet, pair_sha256
from omg_jax.evaluation.picture_folders import frame_name, save_picture, write_protocol
from omg_jax.evaluation.protocol import protocol_to_json
from omg_jax.evaluation.read import FORMAT, FRAMES_NAME, PICTURES_NAME, RESULTS_NAME, RUN_NAME
from omg_jax.evaluation.shown import choose_shown, save_photo_and_drivers, save_shown
from omg_jax.evaluation.summary import six_digits, summarise, write_frames
from omg_jax.files import json_object, replacing
from omg_jax.memory import peak_memory
from omg_jax.tracking.people import Told, tell_nobody

SETTINGS_NAME, PAIRS_FOLDER, KEPT_FOLDER = "settings.json", "pairs", "kept"


def evaluate(
    pair_set: PairSet,
    methods: dict[str, Method],
    judge: Judge,
    folder: Path,
    *,
    command: str = "",
    keep_pictures: bool = False,
    told: Told = tell_nobody,
) -> dict[str, Any]:
    """Measures the methods on all pairs, and returns what it wrote to results.json.

    The folder also gets frames.csv (every number), run.json (what it ran on), pictures of some frames with their index,
    and pairs/PAIR.json as soon as a pair is through. The same call again, after an interruption or an error, goes on
    with the pairs that are left, and those whose data, pictures or code have changed. results.json and frames.csv
    depend on nothing but the data, the methods and the metrics: an equal run writes equal bytes.

    Args:
        methods: by name, at least one. Of each pair, the frame where the first does worst is shown.
        judge: measures pictures; its back_ends name the metrics.
        command: what a person types to get the same, for run.json.
        keep_pictures: write all pictures to kept/METHOD/PAIR/FRAME.png, a folder that can be measured again.
        told: hears of progress.

    Raises:
        ValueError: the folder holds an evaluation with other settings; or of a pair's data or a method's pictures, with
            their names. Pairs that are through stay.
    """
    check_metrics(pair_set, judge)
    check_settings(folder / SETTINGS_NAME, settings_of(pair_set, methods, judge.back_ends))
    if keep_pictures:
        for name in methods:
            write_protocol(folder / KEPT_FOLDER / slug(name), pair_set)
    records: dict[str, dict[str, Any]] = {}
    for name, load in pair_set.pairs.items():
        told("pairs", len(records), len(pair_set.pairs))
        path = folder / PAIRS_FOLDER / f"{name}.json"
        record, pair = json_object(path.read_text()) if path.is_file() else {}, load()
        digests = {
            "pair": pair_sha256(pair),
            "methods": {name: made.digest(pair.name) for name, made in methods.items()},
            "code": code_sha256(),
        }
        is_whole = record.get("digests") == digests and has_pictures(record, folder)
        if not is_whole or (keep_pictures and not record["kept"]):
            try:
                measured = evaluate_pair(pair, methods, judge, folder, keep_pictures, told)
            except ValueError as error:
                raise ValueError(f"pair {name}: {error}") from error
            record = measured | {"digests": digests, "kept": keep_pictures, "memory": peak_memory()}
            write_json(path, record)
        records[name] = record
    told("pairs", len(records), len(pair_set.pairs))
    if keep_pictures:
        sha256 = {name: record["digests"]["pair"] for name, record in records.items()}
        for name in methods:
            write_protocol(folder / KEPT_FOLDER / slug(name), pair_set, sha256)
    write_json(folder / PICTURES_NAME, {name: record["pictures"] for name, record in records.items()})
    results = write_results(folder, pair_set, methods, judge, records)
    write_json(folder / RUN_NAME, circumstances(command, list(records.values()), facts_of(methods)))
    return results


def has_pictures(record: dict[str, Any], folder: Path) -> bool:
    """Whether the pictures that a pair's record tells of are there."""
    listed = record["pictures"]
    files = [listed["source"]]
    for frame in listed["frames"]:
        files += [frame["target"], *frame["methods"].values()]
    return all((folder / "pictures" / file).is_file() for file in files)


def evaluate_pair(
    pair: Pair, methods: dict[str, Method], judge: Judge, folder: Path, keep_pictures: bool, told: Told
) -> dict[str, Any]:
    """Draws and measures one pair by every method; returns its record, and writes its pictures."""
    metrics = metrics_of(judge)
    reference, record = judge.reference(pair), {"rows": {}, "seconds_per_frame": {}}
    for count, (name, method) in enumerate(methods.items()):
        told("methods of a pair", count, len(methods))
        try:
            pictures, seconds = draw(method, pair)
            rows = judge.score(reference, pictures)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        record["rows"][name] = [{key: six_digits(finite(value)) for key, value in row.items()} for row in rows]
        if seconds is not None:
            record["seconds_per_frame"][name] = seconds
        if count == 0:
            shown = choose_shown(rows, metrics)
            record["pictures"] = save_photo_and_drivers(pair, shown, folder / "pictures")
        save_shown(record["pictures"], pair, name, pictures, folder / "pictures")
        if keep_pictures:
            for number, picture in zip(pair.frame_numbers, pictures, strict=True):
                save_picture(folder / KEPT_FOLDER / slug(name) / pair.name / frame_name(number), picture)
    told("methods of a pair", len(methods), len(methods))
    return record | {"frame_numbers": list(pair.frame_numbers)}


def finite(value: float | None) -> float | None:
    """The value; None where it is no number, as that of a degenerate fit."""
    return value if value is not None and math.isfinite(value) else None


def draw(method: Method, pair: Pair) -> tuple[list[Float[np.ndarray, "h w 3"]], float | None]:
    """A method's pictures of a pair, in eight bits, and the seconds each took after the first (None: of one frame)."""
    pictures, times = [], [time.perf_counter()]
    for picture in method.render(pair):
        times.append(time.perf_counter())
        pictures.append(picture)
    if len(pictures) != len(pair.frame_numbers):
        raise ValueError(f"expected a picture for each of {len(pair.frame_numbers)} frames, got {len(pictures)}")
    seconds = (times[-1] - times[1]) / (len(pictures) - 1) if len(pictures) > 1 else None
    shape = pair.source_image.shape
    return [eight_bit(p, shape, n) for p, n in zip(pictures, pair.frame_numbers, strict=True)], seconds


def eight_bit(picture: np.ndarray, shape: tuple[int, ...], number: int) -> Float[np.ndarray, "h w 3"]:
    """A picture clipped to [0, 1] and rounded to 256 levels, as a file would hold it.

    ValueError where it has another shape, or holds what is no number.
    """
    if picture.shape != shape:
        raise ValueError(f"the picture of frame {number} has shape {picture.shape}, expected {shape}")
    if not np.isfinite(picture).all():
        count = int(np.count_nonzero(~np.isfinite(picture)))
        raise ValueError(f"the picture of frame {number} holds {count} values that are not finite; expected [0, 1]")
    levels = np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
    return levels.astype(np.float32) / 255.0


def settings_of(pair_set: PairSet, methods: dict[str, Method], back_ends: dict[str, str]) -> dict[str, Any]:
    """All that must be equal for the pairs of one run to go on in another."""
    return {
        "format": FORMAT,
        "protocol": protocol_to_json(pair_set.protocol),
        "data": pair_set.data,
        "methods": facts_of(methods),
        "metrics": back_ends,
    }


def check_metrics(pair_set: PairSet, judge: Judge) -> None:
    """ValueError where every metric compares with a target, and the protocol has none."""
    if pair_set.protocol.name != "self" and all(metric(key).needs_target for key in judge.back_ends):
        needless = ", ".join(measured.key for measured in METRICS if not measured.needs_target)
        raise ValueError(f"protocol {pair_set.protocol.name} has no targets: ask for metrics of {needless}")


def check_settings(path: Path, settings: dict[str, Any]) -> None:
    """Writes the settings where there are none; ValueError, naming a difference, where there are others."""
    found = json_object(path.read_text()) if path.is_file() else settings
    different = first_difference(found, settings)
    if different:
        raise ValueError(
            f"{path.parent} holds an evaluation with other settings: {different}; give another folder by -o, or remove "
            "this one"
        )
    write_json(path, settings)


def first_difference(found: Any, given: Any, place: str = "") -> str:
    """Where two JSON values differ first, and how; empty where they are equal."""
    if isinstance(found, dict) and isinstance(given, dict):
        parts = [
            first_difference(found.get(key), given.get(key), f"{place}, {key}" if place else key)
            for key in dict.fromkeys([*given, *found])
        ]
        return next((part for part in parts if part), "")
    return "" if found == given else f"{place} was {json.dumps(found)}, now it is {json.dumps(given)}"


def metrics_of(judge: Judge) -> tuple[Metric, ...]:
    """What the judge measures, in the order of METRICS."""
    return tuple(measured for measured in METRICS if measured.key in judge.back_ends)


def facts_of(methods: dict[str, Method]) -> dict[str, dict[str, str]]:
    """What tells the methods."""
    return {name: method.facts for name, method in methods.items()}


def write_results(
    folder: Path, pair_set: PairSet, methods: dict[str, Method], judge: Judge, records: dict[str, dict]
) -> dict[str, Any]:
    """Writes results.json and frames.csv from the records of all pairs; returns the former."""
    rows = {name: record["rows"] for name, record in records.items()}
    numbers = {name: record["frame_numbers"] for name, record in records.items()}
    data = pair_set.data | {
        "pairs": len(records),
        "frames": sum(map(len, numbers.values())),
        "pair_sha256": {name: record["digests"]["pair"] for name, record in records.items()},
    }
    protocol, metrics = protocol_to_json(pair_set.protocol), metrics_of(judge)
    results = summarise(protocol, data, facts_of(methods), metrics, judge.back_ends, rows)
    write_frames(folder / FRAMES_NAME, list(results["metrics"]), numbers, rows)
    write_json(folder / RESULTS_NAME, results)
    return results


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
