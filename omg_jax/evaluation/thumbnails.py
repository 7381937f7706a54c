"""Pictures of a report: scaled down, and as text that stands in the page itself."""

import base64
import io
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

WEBP_QUALITY = 78
BYTES_PER_PIXEL = 0.16  # of a portrait on black at this quality, as text
SIZES = (176, 160, 144, 128, 112, 96, 80)  # sides, pixels
ERROR_SHOWN = 0.25  # the difference from which on an error map is at its brightest
ERROR_COLOURS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))  # of 255, evenly spaced


def data_uri(picture: Image.Image, size: int) -> str:
    """The picture at size x size pixels, as a data URI."""
    buffer = io.BytesIO()
    picture.resize((size, size), Image.Resampling.LANCZOS).save(buffer, "WEBP", quality=WEBP_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def open_picture(path: Path) -> Image.Image:
    """A picture file as RGB; ValueError where there is none."""
    if not path.is_file():
        raise ValueError(f"{path} is named by the index of the pictures, but missing; evaluate again")
    with Image.open(path) as picture:
        return picture.convert("RGB")


def fitting_size(num_pictures: int, max_bytes: int) -> int:
    """The largest of SIZES at which so many pictures take about max_bytes at most; else the smallest."""
    fitting = (size for size in SIZES if num_pictures * BYTES_PER_PIXEL * size**2 <= max_bytes)
    return next(fitting, SIZES[-1])


def error_map(picture: Image.Image, target: Image.Image) -> Image.Image:
    """The mean |difference| of red, green and blue as a picture: black for none, pale yellow from ERROR_SHOWN on."""
    ours, theirs = (np.asarray(image, np.float32) / 255.0 for image in (picture, target))
    if ours.shape != theirs.shape:
        raise ValueError(f"a picture of shape {ours.shape} and its target of {theirs.shape} must agree in size")
    return Image.fromarray(coloured(np.abs(ours - theirs).mean(axis=-1) / ERROR_SHOWN))


def coloured(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Values as colours between ERROR_COLOURS; what is outside of [0, 1] takes the last colour on its side."""
    places = np.linspace(0.0, 1.0, len(ERROR_COLOURS))
    channels = [np.interp(values, places, channel) for channel in zip(*ERROR_COLOURS, strict=True)]
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)
