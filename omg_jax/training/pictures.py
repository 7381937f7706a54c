"""Pictures of a run's progress: a few pairs, one below the other, each as a row of cells."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8
from PIL import Image

from omg_jax.files import replacing
from omg_jax.models.state import merge_model
from omg_jax.training.state import Params
from omg_jax.types import PairBatch, PairOutput

CELL = 256  # pixels; side of one picture in the grid
ERROR_GAIN = 3.0  # errors are small: shown three times as large


class Preview(NamedTuple):
    """What a model makes of a batch: its output at every level of detail, coarsest first, and what the source shows."""

    outputs: tuple[PairOutput, ...]
    seen: Float[Array, "b h w"]


def preview(graphdef: nnx.GraphDef, params: Params, constants: nnx.State, batch: PairBatch, num_levels: int) -> Preview:
    """Plays a batch at levels 0 to num_levels; a pure function."""
    model = merge_model(graphdef, params, constants)
    outputs = tuple(model.forward_pair(batch, lod) for lod in range(num_levels + 1))
    return Preview(outputs, model.seen_by_source(batch, num_levels))


def grid_row(batch: PairBatch, made: Preview) -> UInt8[np.ndarray, "h w 3"]:
    """The first sample of a batch as a row of cells.

    source | target, which is also the driver | coarse and refined at the finest level | gain x |refined - target| |
    depth, near is bright | what the source shows of the head: white, the rest grey | refined at the other levels
    """
    finest, others = made.outputs[-1], made.outputs[:-1]
    target, refined = np.asarray(batch.target_image[0]), np.asarray(finest.refined[0])
    error = np.mean(np.abs(refined - target), axis=-1) * ERROR_GAIN
    greys = (error, nearness(np.asarray(finest.depth[0]), np.asarray(finest.alpha[0])), np.asarray(made.seen[0]))
    cells = [
        np.asarray(batch.source_image[0]),
        target,
        np.asarray(finest.coarse[0]),
        refined,
        *(np.repeat(grey[..., None], 3, axis=-1) for grey in greys),
        *(np.asarray(output.refined[0]) for output in others),
    ]
    return np.concatenate([_cell(cell) for cell in cells], axis=1)


def nearness(depth: Float[np.ndarray, "h w"], alpha: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Rendered depth (weighted by alpha) as grey: 1 at the nearest surface, 0.2 at the farthest, 0 where there is none.

    Surfaces that are less than half opaque count as none.
    """
    solid = alpha > 0.5
    if not solid.any():
        return np.zeros_like(depth)
    distance = depth / np.where(solid, alpha, 1.0)
    near, far = np.percentile(distance[solid], (1, 99))
    grey = 1.0 - 0.8 * (distance - near) / max(far - near, 1e-6)
    return np.where(solid, np.clip(grey, 0.2, 1.0), 0.0)


def save_grid(path: Path, rows: list[UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "rows w 3"]:
    """Writes rows below each other as a PNG, which appears by rename; returns the whole."""
    grid = np.concatenate(rows, axis=0)
    with replacing(path) as temporary:
        Image.fromarray(grid).save(temporary)
    return grid


def _cell(image: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
    bytes_ = (np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return np.asarray(Image.fromarray(bytes_).resize((CELL, CELL), Image.Resampling.BOX))
