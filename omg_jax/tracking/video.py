"""Frames of a video file, one at a time."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

DEFAULT_FPS = 25.0

# A file that is no video is our one-line error; without this FFmpeg and OpenCV add their own lines to the console.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class VideoInfo(NamedTuple):
    """Frames per second, and how many frames the file claims to have (0 where it does not say)."""

    fps: float
    num_frames: int


def video_info(path: Path) -> VideoInfo:
    """Reads a video's header. ValueError where the file is missing or is no video."""
    capture = _open(path)
    try:
        fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        capture.release()
    return VideoInfo(fps if np.isfinite(fps) and fps > 0 else DEFAULT_FPS, max(0, int(count)))


def video_frames(path: Path, max_frames: int | None = None, start: int = 0) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """RGB frames in order from the start-th, decoded as they are asked for; at most max_frames of them."""
    capture = _open(path)
    try:
        # Frames are passed over one by one: seeking by number is not exact in every file.
        for _ in range(start):
            if not capture.grab():
                return
        count = 0
        while max_frames is None or count < max_frames:
            read, frame = capture.read()
            if not read:
                return
            yield np.ascontiguousarray(frame[..., ::-1])
            count += 1
    finally:
        capture.release()


def _open(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise ValueError(f"no video at {path}; name a video file")
    # Without a named back-end OpenCV takes numbered pictures for a video, and says so on the console.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise ValueError(f"{path} is not a readable video; name a video file (mp4, mov, webm, avi)")
    return capture
