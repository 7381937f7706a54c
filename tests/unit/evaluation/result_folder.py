"""A small evaluation's folder, with numbers that are made up and pictures of 32 x 32."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from omg_jax.evaluation.metrics import METRICS
from omg_jax.evaluation.protocol import PROTOCOLS, protocol_to_json
from omg_jax.evaluation.read import FRAMES_NAME, PICTURES_NAME, RESULTS_NAME, RUN_NAME
from omg_jax.evaluation.summary import summarise, write_frames

KEYS = (
    "psnr",
    "ssim",
    "lpips_alex",
    "csim_sface_target",
    "csim_sface_source",
    "aed_tracker",
    "psnr_head",
    "psnr_mouth",
)
METHODS = {"level 2": "network", "level 0": "network", "repeat": "baseline"}
FRAMES = (3, 7, 11)
SHA256 = "0123456789abcdef" * 4


def value_of(key: str, quality: float) -> float:
    """A metric's value at a quality: larger is better."""
    higher = next(metric for metric in METRICS if metric.key == key).higher_is_better
    scale = 10.0 if key.startswith("psnr") else 0.1
    return scale * (2.0 + quality) if higher else scale * (1.0 - 0.1 * quality)


def made_up_rows(
    pairs: tuple[str, ...], methods: dict[str, str]
) -> dict[str, dict[str, list[dict[str, float | None]]]]:
    """Rows of every pair and method: earlier methods and later pairs are better; a pair's last frame is the worst."""

    def row(pair: int, method: int, frame: int) -> dict[str, float | None]:
        quality = 0.1 * pair - 0.3 * method - 0.01 * frame
        return {key: value_of(key, quality) for key in KEYS}

    return {
        pair: {
            method: [row(pair_number, method_number, frame) for frame in range(len(FRAMES))]
            for method_number, method in enumerate(methods)
        }
        for pair_number, pair in enumerate(pairs)
    }


def example_results(
    rows: dict[str, Any], protocol: str = "self", data_name: str = "held out", methods: dict[str, str] = METHODS
) -> dict[str, Any]:
    """results.json of such rows."""
    metrics = tuple(metric for metric in METRICS if metric.key in KEYS)
    frames = sum(len(next(iter(of.values()))) for of in rows.values())
    data = {"name": data_name, "sha256": SHA256, "pairs": len(rows), "frames": frames}
    data["pair_sha256"] = dict.fromkeys(rows, SHA256)
    facts = {
        name: {"kind": kind} | ({"weights_sha256": SHA256} if kind == "network" else {})
        for name, kind in methods.items()
    }
    back_ends = dict.fromkeys(KEYS, f"made up, sha256 {SHA256}")
    return summarise(protocol_to_json(PROTOCOLS[protocol]), data, facts, metrics, back_ends, rows)


def write_example(
    folder: Path,
    pairs: tuple[str, ...] = ("clip_0", "clip_1", "clip_2"),
    protocol: str = "self",
    methods: dict[str, str] = METHODS,
) -> dict[str, Any]:
    """Writes a whole folder; returns its results.json."""
    rows = made_up_rows(pairs, methods)
    results = example_results(rows, protocol, methods=methods)
    write_results(folder, results)
    write_frames(folder / FRAMES_NAME, list(results["metrics"]), dict.fromkeys(pairs, list(FRAMES)), rows)
    run = {"command": "omg evaluate shipped", "commit": "abc1234", "date": "2026-01-01", "device": "a processor"}
    networks = [method for method, kind in methods.items() if kind == "network"]
    run |= {"seconds_per_frame": {method: 0.25 / 2**place for place, method in enumerate(networks)}}
    run |= {"process_peak_memory_mib": 2048.0}
    (folder / RUN_NAME).write_text(json.dumps(run))
    index = {pair: write_pictures(folder, pair, number, methods, protocol) for number, pair in enumerate(pairs)}
    (folder / PICTURES_NAME).write_text(json.dumps(index))
    return results


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Writes results.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS_NAME).write_text(json.dumps(results))


def write_pictures(folder: Path, pair: str, number: int, methods: dict[str, str], protocol: str) -> dict[str, Any]:
    """Writes a pair's pictures, of two frames; returns its entry of the index."""
    generator = np.random.default_rng(number)

    def write(name: str) -> str:
        path = folder / "pictures" / pair / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
        return f"{pair}/{name}"

    what = "target" if protocol == "self" else "driver"
    frames = [
        {
            "frame": frame,
            "worst": frame == FRAMES[-1],
            "target": write(f"{frame:06d}_{what}.jpg"),
            "methods": {method: write(f"{frame:06d}_method{place}.jpg") for place, method in enumerate(methods)},
        }
        for frame in (FRAMES[0], FRAMES[-1])
    ]
    return {"source": write("source.jpg"), "frames": frames}
