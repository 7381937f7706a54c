"""Things that stand before a person in a photo, drawn as flat shapes with soft edges: a hand, a microphone, glasses."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

SUPERSAMPLED = 2  # shapes are drawn this much larger, for smooth edges
Shape = Callable[[ImageDraw.ImageDraw, np.ndarray, float, np.random.Generator], None]


def cover(
    shape: Shape, size: tuple[int, int], eyes: Float[np.ndarray, "2 2"], unit: float, rng: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    """How much of each pixel a shape covers, in [0, 1].

    eyes: the left eye's and the right eye's pixels (x, y); unit: the distance between the eyes of a head that faces the
    camera, in pixels.
    """
    mask = Image.new("L", (SUPERSAMPLED * size[1], SUPERSAMPLED * size[0]))
    shape(ImageDraw.Draw(mask), SUPERSAMPLED * eyes, SUPERSAMPLED * unit, rng)
    return np.asarray(mask.reduce(SUPERSAMPLED), np.float32) / np.float32(255)


def hand(canvas: ImageDraw.ImageDraw, eyes: np.ndarray, unit: float, rng: np.random.Generator) -> None:
    """A palm and four fingers, as large as a hand, somewhere over the head."""
    palm = eyes.mean(axis=0) + unit * rng.uniform([-1.6, -0.8], [1.6, 2.5])
    turn = rng.uniform(0.0, 2.0 * np.pi)
    _ellipse(canvas, palm, unit * np.array([0.65, 0.5]), turn)
    for finger, spread in enumerate(np.linspace(-0.5, 0.5, 4) * rng.uniform(0.3, 1.2)):
        across = np.array([-np.sin(turn), np.cos(turn)]) * (finger - 1.5) * 0.22
        along = np.array([np.cos(turn + spread), np.sin(turn + spread)]) * 0.8
        _ellipse(canvas, palm + unit * (across + along), unit * np.array([0.55, 0.13]), turn + spread)


def bar(canvas: ImageDraw.ImageDraw, eyes: np.ndarray, unit: float, rng: np.random.Generator) -> None:
    """A rod from below with a thick end near the mouth."""
    tip = eyes.mean(axis=0) + unit * rng.uniform([-0.8, 0.8], [0.8, 2.2])
    _line(canvas, [tip, tip + unit * np.array([rng.uniform(-4.0, 4.0), 6.0])], unit * rng.uniform(0.08, 0.4))
    _ellipse(canvas, tip, unit * rng.uniform(0.15, 0.4, 2), rng.uniform(0.0, np.pi))


def glasses(canvas: ImageDraw.ImageDraw, eyes: np.ndarray, unit: float, rng: np.random.Generator) -> None:
    """Two rings around the eyes, a bridge between them, and where the arms begin."""
    across = eyes[0] - eyes[1]
    seen = max(float(np.linalg.norm(across)), 1.0)
    along, turn = across / seen, float(np.arctan2(across[1], across[0]))
    radii = rng.uniform([0.3, 0.22], [0.44, 0.38]) * [seen, unit]  # narrower on a head from the side
    thickness = unit * rng.uniform(0.04, 0.12)
    for eye, outwards in zip(eyes, (along, -along), strict=True):
        ring = _outline(eye, radii, turn)
        _line(canvas, [*ring, *ring[:2]], thickness)
        _line(canvas, [eye + outwards * radii[0], eye + outwards * 0.65 * seen], thickness)
    _line(canvas, [eyes[0] - along * radii[0], eyes[1] + along * radii[0]], thickness)


def _line(canvas: ImageDraw.ImageDraw, points: list[np.ndarray], width: float) -> None:
    canvas.line([tuple(point.tolist()) for point in points], fill=255, width=max(1, round(width)), joint="curve")


def _ellipse(canvas: ImageDraw.ImageDraw, centre: np.ndarray, radii: np.ndarray, turn: float) -> None:
    canvas.polygon([tuple(point.tolist()) for point in _outline(centre, radii, turn)], fill=255)


def _outline(centre: np.ndarray, radii: np.ndarray, turn: float) -> Float[np.ndarray, "n 2"]:
    """Points of an ellipse whose first radius points along the turn."""
    angles = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    return centre + np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)
