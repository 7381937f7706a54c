"""Runs torch's resizing, sampling and convolutions in float64: the reference of test_resize_matches_torch.py,
test_sampling_matches_torch.py and test_modulated_convolution_matches_torch.py."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from layer_inputs import ALIGNED, ANTIALIASED, SAMPLED_MAP, every, modulation, picture, places
from torch.nn import functional

OUTPUT = Path(__file__).parent / "layers_torch.npz"


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).double().permute(0, 3, 1, 2)


def kept(x: torch.Tensor) -> np.ndarray:
    """Some rows and columns, channels last."""
    x = x.permute(0, 2, 3, 1).numpy()
    return x[:, every(x.shape[1])][:, :, every(x.shape[2])].astype(np.float32)


def resized() -> dict[str, np.ndarray]:
    """Bilinear resizing: antialiased, with aligned corners, by two and by a half."""
    made = {}
    for (old, new), index in zip(ANTIALIASED, range(len(ANTIALIASED)), strict=True):
        x = functional.interpolate(channels_first(picture(*old)), size=new, mode="bilinear", antialias=True)
        made[f"antialiased_{index}"] = kept(x)
    for (old, new), index in zip(ALIGNED, range(len(ALIGNED)), strict=True):
        x = functional.interpolate(channels_first(picture(*old)), size=new, mode="bilinear", align_corners=True)
        made[f"aligned_{index}"] = kept(x)
    for name, factor in (("doubled", 2.0), ("halved", 0.5)):
        x = channels_first(picture(20, 12))
        made[name] = kept(functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False))
    return made


def sampled() -> dict[str, np.ndarray]:
    """grid_sample with borders repeated: positions at pixel centres, and the release's aligned corners.

    The release takes a position's share of the width times the width, clamped to the last pixel, as an index.
    """
    height, width = SAMPLED_MAP
    x, size = channels_first(picture(height, width)), torch.tensor([width, height]).double()
    positions = torch.from_numpy(places()).double()

    def sample(grid: torch.Tensor, align_corners: bool) -> np.ndarray:
        y = functional.grid_sample(x, grid[:, None], padding_mode="border", align_corners=align_corners)
        return y[:, :, 0].permute(0, 2, 1).numpy().astype(np.float32)

    index = torch.minimum((positions / size).clamp(0.0, 1.0) * size, size - 1.0)
    return {
        "at_centres": sample(2.0 * positions / size - 1.0, align_corners=False),
        "at_corners": sample(2.0 * index / (size - 1.0) - 1.0, align_corners=True),
    }


def modulated() -> dict[str, np.ndarray]:
    """StyleGAN2's modulated convolution as it defines it: a kernel for each picture, all in one grouped convolution."""
    arrays = {name: torch.from_numpy(array).double() for name, array in modulation().items()}
    scale = functional.linear(
        arrays["styles"], *(arrays[f"modulated_conv.modulation.{part}"] for part in ("weight", "bias"))
    )
    features, made = arrays["features"], {}
    for name in ("modulated", "demodulated"):
        weight = arrays["modulated_conv.weight"] * scale[:, None, :, None, None]
        if name == "demodulated":
            weight = weight * torch.rsqrt(weight.pow(2).sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
        batch, outputs, inputs = weight.shape[:3]
        stacked = features.reshape(1, batch * inputs, *features.shape[2:])
        y = functional.conv2d(stacked, weight.reshape(batch * outputs, inputs, 3, 3), padding=1, groups=batch)
        made[name] = y.reshape(batch, outputs, *features.shape[2:]).permute(0, 2, 3, 1).numpy().astype(np.float32)
    return made


def main() -> None:
    np.savez_compressed(
        OUTPUT,
        **resized(),
        **sampled(),
        **modulated(),
        versions=f"torch {version('torch')}, numpy {version('numpy')}",
    )


if __name__ == "__main__":
    main()
