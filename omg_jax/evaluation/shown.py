"""Which frames of an evaluation people look at, and their pictures as files."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from omg_jax.evaluation.method import slug
from omg_jax.evaluation.metrics import Metric
from omg_jax.evaluation.pair import Pair
from omg_jax.evaluation.picture_folders import save_picture

PLACES = (1 / 3, 2 / 3)  # of a clip, shown whatever they are like
RANKED_BY = ("lpips_alex", "lpips_vgg", "csim_sface_source", "psnr")  # the first that there is tells the worst frame
JPEG = {"format": "JPEG", "quality": 90}


def choose_shown(rows: list[dict[str, float | None]], metrics: tuple[Metric, ...]) -> dict[int, bool]:
    """Frames to show of a pair, and whether each is the one where the method with these rows does worst.

    That is told by the first of RANKED_BY that has a value, else by whatever is measured first.
    """
    shown = {round(place * (len(rows) - 1)): False for place in PLACES}
    by_key = {metric.key: metric for metric in metrics}
    for key in (*RANKED_BY, *by_key):
        values = {index: row[key] for index, row in enumerate(rows) if row.get(key) is not None}
        if key in by_key and values:
            worst = min if by_key[key].higher_is_better else max
            shown[worst(values, key=values.__getitem__)] = True
            break
    return dict(sorted(shown.items()))


def save_photo_and_drivers(pair: Pair, shown: dict[int, bool], folder: Path) -> dict[str, Any]:
    """Writes the photo and the shown driver frames below folder/PAIR; returns the pair's entry of the index."""
    what, frames = "target" if pair.has_targets else "driver", []
    save_picture(folder / pair.name / "source.jpg", pair.source_image, **JPEG)
    for index, is_worst in shown.items():
        number = pair.frame_numbers[index]
        file = f"{pair.name}/{number:06d}_{what}.jpg"
        save_picture(folder / file, pair.driver_images[index], **JPEG)
        frames.append({"frame": number, "worst": is_worst, "target": file, "methods": {}})
    return {"source": f"{pair.name}/source.jpg", "frames": frames}


def save_shown(
    entry: dict[str, Any], pair: Pair, method: str, pictures: list[Float[np.ndarray, "h w 3"]], folder: Path
) -> None:
    """Writes a method's pictures of the shown frames, and adds them to the pair's entry of the index."""
    for frame in entry["frames"]:
        file = f"{pair.name}/{frame['frame']:06d}_{slug(method)}.jpg"
        save_picture(folder / file, pictures[pair.frame_numbers.index(frame["frame"])], **JPEG)
        frame["methods"][method] = file
