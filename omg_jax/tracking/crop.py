"""The paper's crop: one square window per clip around the projected skull, drawn at 512 x 512."""

import numpy as np
from jaxtyping import Float, Int, UInt8

from omg_jax.head.load import Head
from omg_jax.tracking.crops import SquareCrop, sample_crop

PORTRAIT_SIZE = 512
# Side of the window over the geometric mean of the skull box's sides: room for hair, neck and shoulders.
WINDOW_MARGIN = 1.65


def skull_vertices(head: Head) -> Int[np.ndarray, "v"]:
    """Ids of the vertices that make the skull's box: skin with ears, without neck, eyes and mouth."""
    return np.setdiff1d(head.regions["skin"], head.regions["neck"])


def portrait_window(skull_pixels: Float[np.ndarray, "t v 2"]) -> SquareCrop:
    """The window of a clip, from the skull's vertices in pixels of each frame: its box is the median over frames."""
    low, high = np.median(skull_pixels.min(axis=1), axis=0), np.median(skull_pixels.max(axis=1), axis=0)
    width, height = high - low
    x, y = (low + high) / 2
    return SquareCrop((float(x), float(y)), float(WINDOW_MARGIN * np.sqrt(width * height)))


def face_window(points: Float[np.ndarray, "t l d"]) -> SquareCrop:
    """A first guess of the window, from landmarks in pixels of each frame: the skull is not known yet."""
    low, high = np.median(points[..., :2].min(axis=1), axis=0), np.median(points[..., :2].max(axis=1), axis=0)
    x, y = (low + high) / 2
    return SquareCrop((float(x), float(y)), float(2.4 * (high - low).max()))


def draw_portrait(image: UInt8[np.ndarray, "h w c"], window: SquareCrop) -> UInt8[np.ndarray, "512 512 c"]:
    """A frame's portrait, in an upright window. Where it leaves the frame the edges go on, but above it is black.

    Shoulders go on beside and below a frame, and black would pass for black clothes; a head does not go on above.
    """
    portrait = sample_crop(image, window, PORTRAIT_SIZE, go_on=True)
    top = frame_in_window(image.shape[:2], window)[1]
    portrait[np.arange(PORTRAIT_SIZE) + 0.5 < top * PORTRAIT_SIZE] = 0
    return portrait


def frame_in_window(size: tuple[int, int], window: SquareCrop) -> Float[np.ndarray, "4"]:
    """Left, top, right and bottom of a frame of (height, width) pixels in an upright window, whose side is 1."""
    corner, (height, width) = np.array(window.centre) - window.side / 2, size
    return (np.array([0, 0, width, height]) - np.tile(corner, 2)) / window.side
