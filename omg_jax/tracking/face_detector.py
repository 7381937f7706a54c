"""Faces in a picture: the BlazeFace short-range detector (Bazarevsky et al. 2019, arXiv 1907.05047).

The net sees 128 x 128 pixels and answers for 896 anchors: two at each cell of a 16 x 16 grid and six at each cell of an
8 x 8 grid, all square and of one size, so that an anchor is only a position.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from omg_jax.tracking.crops import SquareCrop, points_to_picture, sample_crop

INPUT_SIZE = 128
GRIDS = ((16, 2), (8, 6))  # (cells per side, anchors per cell)
SCORE_THRESHOLD = 0.5
SAME_FACE_OVERLAP = 0.3  # intersection over union
# The detector was made for faces that fill much of a picture; small ones are looked for in windows of these shares.
SEARCH_SHARES = (1.0, 0.5, 0.25)


# A net is called with one input and answers with outputs by name, as tflite.TfliteModel does.
Net = Callable[[np.ndarray], dict[str, np.ndarray]]


class FaceBox(NamedTuple):
    """A detected face: box (left, top, right, bottom) and the two eyes (the subject's right one first), in pixels."""

    box: Float[np.ndarray, "4"]
    eyes: Float[np.ndarray, "2 2"]
    score: float


def anchor_centres() -> Float[np.ndarray, "896 2"]:
    """(x, y) of every anchor in units of the input's side, in the order of the net's output."""
    grids = []
    for cells, repeats in GRIDS:
        along = (np.arange(cells) + 0.5) / cells
        down, across = np.meshgrid(along, along, indexing="ij")
        grids.append(np.repeat(np.stack([across.ravel(), down.ravel()], axis=-1), repeats, axis=0))
    return np.concatenate(grids)


def detect_faces(net: Net, image: UInt8[np.ndarray, "h w 3"]) -> list[FaceBox]:
    """The faces that fill a good part of a picture: those seen when the whole of it is shrunk to the net's input."""
    height, width = image.shape[:2]
    return merge_overlapping(detect_in_windows(net, image, search_windows(width, height, 1.0)))


def search_faces(net: Net, image: UInt8[np.ndarray, "h w 3"]) -> list[FaceBox]:
    """All faces of a picture, small ones too, which are looked for in overlapping windows.

    Windows of the last share are searched only if the others show no face.
    """
    height, width = image.shape[:2]
    shares = [search_windows(width, height, share) for share in SEARCH_SHARES]
    candidates = [face for windows in shares[:-1] for face in detect_in_windows(net, image, windows)]
    return merge_overlapping(candidates or detect_in_windows(net, image, shares[-1]))


def search_windows(width: int, height: int, share: float) -> list[SquareCrop]:
    """Square windows with half overlap that cover a picture; share is their side over the picture's longer side."""
    side = max(width, height) * share
    return [SquareCrop((x, y), side) for y in window_centres(height, side) for x in window_centres(width, side)]


def window_centres(length: int, side: float) -> list[float]:
    """Centres of windows along one axis."""
    if side >= length:
        return [length / 2]
    count = int(np.ceil((length - side) / (side / 2))) + 1
    return list(np.linspace(side / 2, length - side / 2, count))


def detect_in_windows(net: Net, image: UInt8[np.ndarray, "h w 3"], windows: list[SquareCrop]) -> list[FaceBox]:
    """Candidates of all windows."""
    return [candidate for window in windows for candidate in detect_in_window(net, image, window)]


def detect_in_window(net: Net, image: UInt8[np.ndarray, "h w 3"], window: SquareCrop) -> list[FaceBox]:
    """Every anchor's face whose score passes the threshold; several of them may show the same face."""
    drawn = sample_crop(image, window, INPUT_SIZE)
    output = net(drawn[None].astype(np.float32) / 127.5 - 1.0)
    logits, regressed = output["classificators"][0, :, 0], output["regressors"][0]
    chosen = np.flatnonzero(logits > np.log(SCORE_THRESHOLD / (1 - SCORE_THRESHOLD)))
    scores = 1 / (1 + np.exp(-logits[chosen].astype(np.float64)))
    origin = anchor_centres()[chosen] * INPUT_SIZE
    centre, size = origin + regressed[chosen, 0:2], regressed[chosen, 2:4]
    corners = np.stack([centre - size / 2, centre + size / 2], axis=1)
    eyes = origin[:, None] + regressed[chosen, 4:8].reshape(-1, 2, 2)
    points = points_to_picture(np.concatenate([corners, eyes], axis=1).reshape(-1, 2), window, INPUT_SIZE)
    return [
        FaceBox(box=four[:2].ravel(), eyes=four[2:], score=float(score))
        for four, score in zip(points.reshape(-1, 4, 2), scores, strict=True)
    ]


def merge_overlapping(candidates: list[FaceBox]) -> list[FaceBox]:
    """One face for each group of overlapping candidates.

    It is their mean weighted by score, which trembles less from frame to frame than the best of them.
    """
    remaining = sorted(candidates, key=lambda face: -face.score)
    merged = []
    while remaining:
        best = remaining[0]
        group = [face for face in remaining if overlap(best.box, face.box) > SAME_FACE_OVERLAP]
        weights = [face.score for face in group]
        box = np.average([face.box for face in group], axis=0, weights=weights)
        eyes = np.average([face.eyes for face in group], axis=0, weights=weights)
        merged.append(FaceBox(box, eyes, best.score))
        remaining = [face for face in remaining[1:] if overlap(best.box, face.box) <= SAME_FACE_OVERLAP]
    return merged


def box_area(box: Float[np.ndarray, "4"]) -> float:
    """Area of a box (left, top, right, bottom); zero if it is empty."""
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def overlap(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    shared = box_area(np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])]))
    union = box_area(a) + box_area(b) - shared
    return shared / union if union > 0 else 0.0
