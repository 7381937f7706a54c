"""Composes the feature pyramid from torch's own layers in float64, on generated weights: the reference of
test_pyramid_matches_torch.py."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from pyramid_state import GRID, random_inputs, random_state
from torch.nn import functional

WEIGHT_SEED, INPUT_SEED = 9, 10
NUM_KEPT = 8  # rows and columns, evenly spread
OUTPUT = Path(__file__).parent / "pyramid_torch.npz"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()


def pyramid(state: dict[str, torch.Tensor], taps: list[torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """F_local, channels first."""

    def conv(name: str, x: torch.Tensor, **options: int) -> torch.Tensor:
        return functional.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)

    def enlarge(name: str, x: torch.Tensor, factor: int) -> torch.Tensor:
        return functional.conv_transpose2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=factor)

    def residual(name: str, x: torch.Tensor) -> torch.Tensor:
        inner = conv(f"{name}.conv1", functional.relu(x), padding=1)
        return x + conv(f"{name}.conv2", functional.relu(inner), padding=1)

    def fuse(index: int, x: torch.Tensor, size: int) -> torch.Tensor:
        if index < 3:
            x = x + residual(f"refinenet.{3 - index}.resConfUnit1", levels[index])
        x = residual(f"refinenet.{3 - index}.resConfUnit2", x)
        x = functional.interpolate(x, size=(size, size), mode="bilinear", align_corners=True)
        return conv(f"refinenet.{3 - index}.out_conv", x)

    grids = [tap.permute(0, 2, 1).unflatten(2, (GRID, GRID)) for tap in taps]
    grids = [conv(f"projects.{i}", grid) for i, grid in enumerate(grids)]
    grids[0], grids[1] = enlarge("resize_layers.0", grids[0], 4), enlarge("resize_layers.1", grids[1], 2)
    grids[3] = conv("resize_layers.3", grids[3], stride=2, padding=1)
    photos = [functional.interpolate(image, size=g.shape[2:], mode="bilinear", antialias=True) for g in grids]
    pairs = zip(photos, grids, strict=True)
    levels = [conv(f"layer_rn.{i}", torch.cat(pair, dim=1), padding=1) for i, pair in enumerate(pairs)]
    x = fuse(3, levels[3], GRID)
    for index, size in ((2, 2 * GRID), (1, 4 * GRID), (0, 8 * GRID)):
        x = fuse(index, x, size)
    return conv("output_conv", x, padding=1)


def main() -> None:
    state = {name: torch.from_numpy(array).double() for name, array in random_state(WEIGHT_SEED).items()}
    taps, image = random_inputs(INPUT_SEED)
    normalised = ((torch.from_numpy(image).double() - MEAN) / STD).permute(0, 3, 1, 2)
    features = pyramid(state, [torch.from_numpy(tap).double() for tap in taps], normalised)
    features = features.permute(0, 2, 3, 1).numpy()
    kept = np.linspace(0, features.shape[1] - 1, NUM_KEPT).astype(int)
    np.savez_compressed(
        OUTPUT,
        kept=kept,
        features=features[:, kept][:, :, kept].astype(np.float32),
        weight_seed=WEIGHT_SEED,
        input_seed=INPUT_SEED,
        versions=f"torch {version('torch')}, numpy {version('numpy')}",
    )


if __name__ == "__main__":
    main()
