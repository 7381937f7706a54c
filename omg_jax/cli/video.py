"""Pictures to an mp4 file, and pictures side by side with captions."""

import itertools
import warnings
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from omg_jax.files import replacing

CAPTION_HEIGHT = 28
X264_QUALITY = 8  # of 10; visually lossless for faces at about 2 Mbit/s and 512 x 512


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "h w 3"]], fps: float) -> int:
    """Writes RGB frames of one size to an H.264 mp4 and returns their number. The file appears by rename.

    Odd sizes are stretched by a pixel: 4:2:0 colour needs even ones. ValueError where there is no frame, where frames
    differ in size, or where the name does not end in .mp4.
    """
    path = Path(path)
    check_video_name(path)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"no frame to write to {path}: the motion is empty; track a longer driver")
    height, width, _ = first.shape
    with replacing(path) as temporary:
        encoder = imageio_ffmpeg.write_frames(
            temporary, (width, height), fps=fps, codec="libx264", quality=X264_QUALITY, macro_block_size=2
        )
        # The encoder must end before the temporary file is renamed or removed, or it would write it anew.
        with closing(encoder):
            start(encoder)
            count = 0
            for frame in itertools.chain([first], frames):
                if frame.shape != first.shape:
                    sizes = f"{list(frame.shape)} after {list(first.shape)}"
                    raise ValueError(f"frames of one video must have one size, got {sizes}")
                encoder.send(np.ascontiguousarray(frame))
                count += 1
    return count


def check_video_name(path: Path) -> None:
    """ValueError unless the name ends in .mp4."""
    if path.suffix != ".mp4":
        raise ValueError(f"a video's name must end in .mp4, got {path}")


def start(encoder: Generator) -> None:
    """Starts the encoder's process."""
    with warnings.catch_warnings():
        # JAX warns of forks in threaded programs; this one only execs ffmpeg.
        warnings.filterwarnings("ignore", message="os.fork", category=RuntimeWarning)
        encoder.send(None)


def write_picture(path: Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Writes an RGB picture in the format of the name's suffix. The file appears by rename."""
    with replacing(Path(path)) as temporary:
        Image.fromarray(picture).save(temporary)


def captioned(picture: UInt8[np.ndarray, "h w 3"], caption: str) -> UInt8[np.ndarray, "h2 w 3"]:
    """The picture under a dark strip of CAPTION_HEIGHT pixels that holds the caption."""
    height, width, _ = picture.shape
    canvas = Image.new("RGB", (width, height + CAPTION_HEIGHT), (24, 24, 28))
    canvas.paste(Image.fromarray(picture), (0, CAPTION_HEIGHT))
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(canvas).text((8, CAPTION_HEIGHT // 2), caption, fill=(235, 235, 235), font=font, anchor="lm")
    return np.asarray(canvas)


def resized(picture: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "s s 3"]:
    """The picture at size x size pixels, area-filtered."""
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS))


def contact_sheet(rows: list[list[UInt8[np.ndarray, "s s 3"]]], captions: list[str]) -> UInt8[np.ndarray, "h w 3"]:
    """A grid of pictures, one caption above each column. ValueError where a row has not one picture per caption."""
    if not rows or any(len(row) != len(captions) for row in rows):
        raise ValueError(
            f"a contact sheet needs rows of {len(captions)} pictures, one per caption, "
            f"got rows of {[len(row) for row in rows]}"
        )
    top = [captioned(picture, caption) for picture, caption in zip(rows[0], captions, strict=True)]
    return np.concatenate([np.concatenate(row, axis=1) for row in [top, *rows[1:]]], axis=0)


def to_bytes(image: ArrayLike) -> UInt8[np.ndarray, "h w 3"]:
    """A float RGB image in [0, 1] (clipped) as bytes."""
    return (np.clip(np.asarray(image), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
