"""Runs transformers' Dinov2Model in float64 on generated weights, and torch's bicubic interpolation as the official
DINOv2 code calls it, and keeps some of their numbers: the reference of test_dinov2_matches_transformers.py.

Two networks: the ViT-S, and one of the ViT-B's width and heads with only as many blocks as are tapped.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from dinov2_state import random_image, random_state
from safetensors.numpy import save_file
from transformers import Dinov2Config, Dinov2Model

NETWORKS = {"small": (384, 12, 6), "base": (768, 4, 12)}  # width, depth, heads
WEIGHT_SEED, IMAGE_SEED = 3, 4
SIZES = ((518, 518), (224, 308))
NUM_TOKENS = {"small": 12, "base": 6}  # kept of each tap, evenly spread
NUM_CHANNELS = 16  # kept of the position embedding
OUTPUT = Path(__file__).parent / "dinov2_transformers.npz"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def tapped(model: Dinov2Model, size: tuple[int, int], num_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, taps [4, tokens, width]): the last four blocks through the final norm, without the class token."""
    image = (torch.from_numpy(random_image(*size, IMAGE_SEED)) - MEAN) / STD
    with torch.no_grad():
        states = model(image.permute(0, 3, 1, 2).double(), output_hidden_states=True).hidden_states[-4:]
        taps = np.stack([model.layernorm(state)[0, 1:].numpy() for state in states])
    tokens = np.linspace(0, taps.shape[1] - 1, num_tokens).astype(int)
    return tokens, taps[:, tokens].astype(np.float32)


def official_positions(state: dict[str, np.ndarray], grid: tuple[int, int]) -> np.ndarray:
    """The position embedding as the official code resamples it: by scale, with 0.1 added to the number of patches."""
    positions = torch.from_numpy(state["embeddings.position_embeddings"][:, 1:, :NUM_CHANNELS]).double()
    planes = positions.reshape(1, 37, 37, NUM_CHANNELS).permute(0, 3, 1, 2)
    scale = tuple((count + 0.1) / 37 for count in grid)
    resized = torch.nn.functional.interpolate(planes, scale_factor=scale, mode="bicubic", antialias=False)
    return resized[0].permute(1, 2, 0).numpy().astype(np.float32)


def load(state: dict[str, np.ndarray], width: int, depth: int, num_heads: int) -> Dinov2Model:
    """transformers' network around these weights, in float64."""
    config = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        image_size=518,
        patch_size=14,
        layer_norm_eps=1e-6,
    )
    with tempfile.TemporaryDirectory() as folder:
        # Through a file: inside, newer releases name some layers otherwise than the published files do.
        config.save_pretrained(folder)
        save_file(state, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        model, report = Dinov2Model.from_pretrained(folder, output_loading_info=True)
    if any(report.values()):
        raise ValueError(f"transformers did not take every array: {report}")
    return model.double().eval()


def main() -> None:
    kept = {}
    for network, (width, depth, num_heads) in NETWORKS.items():
        state = random_state(width, depth, WEIGHT_SEED)
        model = load(state, width, depth, num_heads)
        for size in SIZES:
            name = f"{network}_{size[0]}x{size[1]}"
            kept[f"tokens_{name}"], kept[f"taps_{name}"] = tapped(model, size, NUM_TOKENS[network])
        if network == "small":
            kept["official_positions"] = official_positions(state, tuple(side // 14 for side in SIZES[1]))
    np.savez_compressed(
        OUTPUT,
        **kept,
        weight_seed=WEIGHT_SEED,
        image_seed=IMAGE_SEED,
        versions=f"transformers {version('transformers')}, torch {version('torch')}, numpy {version('numpy')}",
    )


if __name__ == "__main__":
    main()
