"""Pictures of a run's progress: source, target, coarse, refined and error, side by side, one pair per row."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from omg_jax.files import replacing
from omg_jax.types import PairBatch, PairOutput

CELL = 256  # pixels; side of one picture in the grid
ERROR_GAIN = 3.0  # errors are small: shown three times as large


def grid_row(batch: PairBatch, output: PairOutput) -> UInt8[np.ndarray, "h w 3"]:
    """The first sample of a batch: source | target | coarse | refined | gain x |refined - target|."""
    target, refined = np.asarray(batch.target_image[0]), np.asarray(output.refined[0])
    error = np.repeat(np.mean(np.abs(refined - target), axis=-1, keepdims=True) * ERROR_GAIN, 3, axis=-1)
    cells = (np.asarray(batch.source_image[0]), target, np.asarray(output.coarse[0]), refined, error)
    return np.concatenate([_cell(cell) for cell in cells], axis=1)


def save_grid(path: Path, rows: list[UInt8[np.ndarray, "h w 3"]]) -> None:
    """Writes rows below each other as a PNG, which appears by rename."""
    with replacing(path) as temporary:
        Image.fromarray(np.concatenate(rows, axis=0)).save(temporary)


def _cell(image: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
    bytes_ = (np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return np.asarray(Image.fromarray(bytes_).resize((CELL, CELL), Image.Resampling.BOX))
