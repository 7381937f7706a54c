"""Encoded pictures to pixels."""

import functools
import io
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def decode_jpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """RGB pixels of a JPEG file's bytes. ValueError or OSError where they are damaged."""
    return _jpeg_decoder()(data)


def decode_matte(data: bytes) -> UInt8[np.ndarray, "h w"]:
    """Grey values of a PNG file's bytes."""
    return _decode_pil(data, "L")


@functools.cache
def _jpeg_decoder() -> Callable[[bytes], np.ndarray]:
    """simplejpeg where it is installed: the same pixels as Pillow's in about half the time."""
    try:
        import simplejpeg
    except ImportError:
        return lambda data: _decode_pil(data, "RGB")
    return lambda data: simplejpeg.decode_jpeg(data, "RGB")


def _decode_pil(data: bytes, mode: str) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))
