"""Draws 64 synthetic people as one small JPEG: results/portraits.jpg.

    python experiments/portrait_gallery.py --makehuman PATH

Each is the first frame of its own clip, before a background that only this picture has: clips are stored on black.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image
from record import RESULTS
from rich.progress import track

from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.background import over, sample_background
from omg_jax.data.portraits.clip import load_portrait_assets, render_clip
from omg_jax.head.load import load_head

MOST_BYTES = 600_000


@dataclass(frozen=True)
class Options:
    makehuman: Path
    """Folder of MakeHuman's assets (it holds 3dobjs, targets, skins, ...)."""
    output: Path = RESULTS / "portraits.jpg"
    """The picture."""
    columns: int = 8
    """People in a row; as many rows."""
    thumbnail: int = 200
    """Side of one portrait in the picture, pixels."""
    size: int = 512
    """Side at which it is drawn, pixels."""
    seed: int = 100
    """The first person's; the others' follow."""


def gallery(options: Options) -> Image.Image:
    """All portraits, row by row."""
    assets = load_portrait_assets(Makehuman(options.makehuman), load_head("arkit"))
    sheet = Image.new("RGB", (options.columns * options.thumbnail,) * 2)
    for index in track(range(options.columns**2), description="portraits"):
        seed = options.seed + index
        clip = render_clip(assets, seed, 1, options.size)
        background = sample_background(np.random.default_rng(seed), options.size)
        portrait = Image.fromarray(over(clip.images[0], clip.mattes[0], background))
        row, column = divmod(index, options.columns)
        place = (column * options.thumbnail, row * options.thumbnail)
        sheet.paste(portrait.resize((options.thumbnail,) * 2, Image.Resampling.LANCZOS), place)
    return sheet


def main(options: Options) -> None:
    sheet = gallery(options)
    for quality in range(92, 40, -4):
        sheet.save(options.output, quality=quality, optimize=True)
        if options.output.stat().st_size <= MOST_BYTES:
            return


if __name__ == "__main__":
    main(tyro.cli(Options))
