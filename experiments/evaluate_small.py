"""The small model on synthetic identities that it was not trained on: experiments/results/small_synthetic.json.

    python experiments/evaluate_small.py --data FOLDER [--weights FILE]

FOLDER holds clips (make_portraits.py with a seed of its own). In every clip frame 0 is the photo and the others are
driven. Baselines: the same network untrained; the photo's colours projected onto the mesh, without any network, over
black and over the photo; and the photo itself, unchanged.
"""

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro
from record import write_result
from reenactment import (
    Portrait,
    Ruler,
    head_mask,
    means,
    network_pictures,
    project_photo,
)
from rich.console import Console
from rich.progress import track
from rich.table import Table

from omg_jax.assets.registry import asset_path
from omg_jax.cli.network import load_network
from omg_jax.data.clips import load_clip, load_index
from omg_jax.losses.perceptual_weights import load_perceptual
from omg_jax.models.omg import build_model
from omg_jax.training.tokens import backbone_taps

LEVELS = (0, 1, 2)
UNTRAINED_SEED = 0
MEASURES = ("psnr", "ssim", "lpips", "psnr_head", "psnr_outside")


@dataclass
class Options:
    """What to evaluate."""

    data: Path
    """Folder of held-out clips, with index.json."""
    weights: Path | None = None
    """Weights file of the small preset; by default the shipped one."""
    clips: int = 24
    """At most so many clips."""
    lpips_targets: int = 2
    """LPIPS is measured on so many targets of each clip: it costs a second a picture."""


def portrait_of(folder: Path) -> Portrait:
    """A clip as a portrait."""
    clip = load_clip(folder)
    mattes = clip.mattes.astype(np.float32) / 255.0
    images = clip.images.astype(np.float32) / 255.0 * (clip.mattes > 0)[..., None]
    return Portrait(images, mattes, clip.head_params, clip.camera)


def main(options: Options) -> None:
    network = load_network("small", options.weights, "arkit")
    head = network.head.model
    untrained = build_model(network.config.model, head, seed=UNTRAINED_SEED)
    taps = backbone_taps(network.backbone, network.config.model.backbone_size)
    ruler = Ruler(load_perceptual(asset_path("lpips-vgg16")))
    index = load_index(options.data)
    rows: dict[str, list] = {}
    folders = [index.folder(number) for number in range(min(options.clips, len(index.names)))]
    for folder in track(folders, description="evaluating"):
        portrait = portrait_of(folder)
        tokens = taps(jnp.asarray(portrait.images[:1]))
        trained = network_pictures(network.model, tokens, portrait, LEVELS)
        start = network_pictures(untrained, tokens, portrait, LEVELS)
        for number in range(1, len(portrait.images)):
            pictures = {f"trained, level {lod}": trained[lod][number - 1] for lod in LEVELS}
            pictures |= {f"untrained, level {lod}": start[lod][number - 1] for lod in LEVELS}
            pictures["projection on black"] = project_photo(head, portrait, number, over_photo=False)
            pictures["projection over the photo"] = project_photo(head, portrait, number, over_photo=True)
            pictures["repeat the photo"] = portrait.images[0]
            target, mask = portrait.images[number], head_mask(head, portrait, number)
            features = ruler.features(target) if number <= options.lpips_targets else None
            for name, picture in pictures.items():
                rows.setdefault(name, []).append(ruler(picture, target, mask, features))
    table = {name: means(measured) for name, measured in rows.items()}
    show(table)
    result = {
        "protocol": "512 x 512 on black; frame 0 is the photo; PSNR and SSIM (Gaussian 11/1.5, valid) on all targets, "
        f"LPIPS (vgg) on the first {options.lpips_targets} of each clip",
        "clips": len(folders),
        "targets": len(rows["repeat the photo"]),
        "weights_sha256": network.weights_sha256,
        "methods": table,
    }
    options_given = f"--data FOLDER --clips {options.clips} --lpips-targets {options.lpips_targets}"
    write_result("small_synthetic", f"python experiments/evaluate_small.py {options_given}", result)


def show(table: dict[str, dict[str, float]]) -> None:
    """Prints one row per method."""
    printed = Table("method", *MEASURES)
    for name, measured in table.items():
        printed.add_row(name, *(f"{measured[measure]:.3f}" for measure in MEASURES))
    Console().print(printed)


if __name__ == "__main__":
    main(tyro.cli(Options))
