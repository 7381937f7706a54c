"""The pictures of a report: the worst frames first, then every pair."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from omg_jax.evaluation.markup import Element, element
from omg_jax.evaluation.read import PICTURES_NAME, Evaluation, main_method
from omg_jax.evaluation.shown import RANKED_BY
from omg_jax.evaluation.thumbnails import (
    ERROR_COLOURS,
    ERROR_SHOWN,
    data_uri,
    error_map,
    fitting_size,
    open_picture,
)

NUM_WORST = 6
WORST_SIZE = 224  # pixels
MIN_SHOWN = 100  # pixels of the page that a column of pictures takes at least
MAX_ROWS = 120  # frames that are shown of all pairs together
MAX_BYTES = 6_500_000  # of their pictures
CAPTIONS = ("psnr", "lpips_alex", "csim_sface_source", "aed_tracker")  # the first two that a frame has stand below it


class Shot(NamedTuple):
    """A frame that there are pictures of. value: the main method's, by the metric that ranks."""

    pair: str
    entry: dict[str, Any]
    value: float


def worst_frames(evaluation: Evaluation) -> Element | None:
    """The frames where the method that is looked at first does worst, one of a pair, each beside all methods."""
    key = ranking_key(evaluation)
    shots = list(worst_of_pairs(evaluation, key)) if key else []
    if not shots:
        return None
    metric, method = evaluation.results["metrics"][key], main_method(evaluation.results)
    shots.sort(key=lambda shot: shot.value, reverse=not metric["higher_is_better"])
    blocks = []
    for shot in shots[:NUM_WORST]:
        value = f"{metric['title']} {shot.value:.{metric['decimals']}f}"
        is_below = shot.pair in list(evaluation.pictures)[:MAX_ROWS]
        place = element("a", shot.pair, href=f"#pair-{shot.pair}") if is_below else shot.pair
        heading = element("h3", place, f", frame {shot.entry['frame']} ", element("small", value))
        blocks.append(element("div", heading, element("div", *shot_cards(evaluation, shot), class_="cards")))
    told = f"Of every pair the frame where {method} does worst by {metric['title']}; the worst of these first."
    return element("div", element("p", told), error_legend(evaluation), *blocks)


def ranking_key(evaluation: Evaluation) -> str | None:
    """The metric that tells which frame is worst; None where none of those can."""
    method, metrics = main_method(evaluation.results), evaluation.results["metrics"]
    return next((key for key in RANKED_BY if key in metrics and has_frames(evaluation, method, key)), None)


def has_frames(evaluation: Evaluation, method: str, key: str) -> bool:
    """Whether any frame of the method has a value."""
    return any(key in values for pair in evaluation.frames.values() for values in pair.get(method, {}).values())


def worst_of_pairs(evaluation: Evaluation, key: str) -> Iterator[Shot]:
    """Of every pair, the frame with pictures where the main method does worst."""
    method, higher = main_method(evaluation.results), evaluation.results["metrics"][key]["higher_is_better"]
    for pair, listed in evaluation.pictures.items():
        rows = evaluation.frames.get(pair, {}).get(method, {})
        shots = [
            Shot(pair, entry, rows[entry["frame"]][key])
            for entry in listed["frames"]
            if method in entry["methods"] and key in rows.get(entry["frame"], {})
        ]
        if shots:
            yield (min if higher else max)(shots, key=lambda shot: shot.value)


def shot_cards(evaluation: Evaluation, shot: Shot) -> list[Element]:
    """Source, driver or target, and every method's picture over its error map."""
    folder, entry = picture_folder(evaluation), shot.entry
    target = open_picture(folder / entry["target"])
    source = open_picture(folder / evaluation.pictures[shot.pair]["source"])
    cards = [card("source", source), card(target_name(evaluation), target)]
    for method, name in entry["methods"].items():
        picture = open_picture(folder / name)
        error = error_map(picture, target) if has_targets(evaluation) else None
        cards.append(card(method, picture, error, frame_values(evaluation, shot.pair, method, entry["frame"])))
    return cards


def card(name: str, picture: Image.Image, error: Image.Image | None = None, values: Sequence[Element] = ()) -> Element:
    """A picture, the error below it, and a caption."""
    images = [image(picture, WORST_SIZE, name)]
    if error is not None:
        images.append(image(error, WORST_SIZE, f"error of {name}"))
    return element("figure", *images, element("figcaption", name, *values))


def all_pairs(evaluation: Evaluation) -> Element | None:
    """Frames of every pair in rows: source, driver or target, all methods, and the main method's error."""
    pictures = evaluation.pictures
    if not pictures:
        return None
    per_pair = max(1, MAX_ROWS // len(pictures))
    shown = {pair: chosen_frames(listed["frames"], per_pair) for pair, listed in list(pictures.items())[:MAX_ROWS]}
    total = sum(3 + len(entry["methods"]) for entries in shown.values() for entry in entries)
    size = fitting_size(total, MAX_BYTES)
    told = f"The error is that of {main_method(evaluation.results)}." if has_targets(evaluation) else ""
    if len(shown) < len(pictures):
        told = f"The first {len(shown)} of {len(pictures)} pairs; the others lie in the folder pictures. {told}"
    blocks = [pair_block(evaluation, pair, entries, size) for pair, entries in shown.items()]
    return element("div", element("p", told), *blocks)


def chosen_frames(entries: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """So many of a pair's frames, the worst among them, in their order."""
    kept = sorted(entries, key=lambda entry: not entry["worst"])[:number]
    return [entry for entry in entries if entry in kept]


def pair_block(evaluation: Evaluation, pair: str, entries: list[dict[str, Any]], size: int) -> Element:
    """A pair's frames, a row for each."""
    folder, main = picture_folder(evaluation), main_method(evaluation.results)
    source = image(open_picture(folder / evaluation.pictures[pair]["source"]), size, f"source of {pair}")
    methods = list(dict.fromkeys(method for entry in entries for method in entry["methods"]))
    names = ["source", target_name(evaluation), *methods] + [f"error, {main}"] * has_targets(evaluation)
    head = element("tr", *(element("th", name) for name in names))
    rows = []
    for index, entry in enumerate(entries):
        target, number = open_picture(folder / entry["target"]), f"{pair}, frame {entry['frame']}"
        opened = {method: open_picture(folder / name) for method, name in entry["methods"].items()}
        cells = [element("td", source, rowspan=str(len(entries)))] * (index == 0)
        frame = f"frame {entry['frame']}" + (", worst" if entry["worst"] else "")
        cells.append(element("td", image(target, size, number), element("small", frame)))
        for method in methods:
            shown = image(opened[method], size, f"{method}, {number}") if method in opened else None
            cells.append(element("td", shown, *frame_values(evaluation, pair, method, entry["frame"])))
        if has_targets(evaluation) and main in opened:
            cells.append(element("td", image(error_map(opened[main], target), size, f"error, {number}")))
        rows.append(element("tr", *cells))
    width = f"min-width:{MIN_SHOWN * len(names)}px;max-width:{size * len(names)}px"
    table = element("table", element("thead", head), element("tbody", *rows), class_="gallery", style=width)
    return element("div", element("h3", pair), element("div", table, class_="scroll"), id=f"pair-{pair}")


def image(picture: Image.Image, size: int, told: str) -> Element:
    """A picture in the page itself."""
    return element("img", src=data_uri(picture, size), width=str(size), height=str(size), alt=told)


def frame_values(evaluation: Evaluation, pair: str, method: str, frame: int) -> list[Element]:
    """What two metrics say of a frame, a line for each: "24.12 dB", "LPIPS 0.181"."""
    values, metrics = evaluation.frames.get(pair, {}).get(method, {}).get(frame, {}), evaluation.results["metrics"]
    told = []
    for key in [key for key in CAPTIONS if key in values and key in metrics][:2]:
        text = f"{values[key]:.{metrics[key]['decimals']}f}"
        told.append(f"{text} dB" if metrics[key]["unit"] == "dB" else f"{metrics[key]['title'].split(' (')[0]} {text}")
    return [element("small", text) for text in told]


def error_legend(evaluation: Evaluation) -> Element | None:
    """What the colours of an error map mean."""
    if not has_targets(evaluation):
        return None
    stops = ", ".join(f"rgb{colour}" for colour in ERROR_COLOURS)
    bar = element("span", class_="ramp", style=f"background:linear-gradient(to right, {stops})")
    told = "Error maps: mean |difference| of red, green and blue, 0 "
    return element("p", told, bar, f" {ERROR_SHOWN:g}.", class_="note")


def has_targets(evaluation: Evaluation) -> bool:
    """Whether pictures have a target to be compared with, pixel by pixel."""
    return evaluation.results["protocol"]["name"] == "self"


def target_name(evaluation: Evaluation) -> str:
    """What the picture beside the source is."""
    return "target" if has_targets(evaluation) else "driver"


def picture_folder(evaluation: Evaluation) -> Path:
    """What the files of the pictures' index are relative to."""
    return (evaluation.folder / PICTURES_NAME).parent
