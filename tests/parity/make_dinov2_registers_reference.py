"""Runs transformers' Dinov2WithRegistersModel in float64 on generated weights and keeps some of its numbers: the
reference of test_dinov2_registers_match_transformers.py."""

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from dinov2_state import random_image, random_state
from safetensors.numpy import save_file
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

WIDTH, DEPTH, NUM_HEADS, NUM_REGISTERS = 96, 5, 3, 4
WEIGHT_SEED, IMAGE_SEED = 5, 6
SIZES = ((518, 518), (224, 308), (532, 546))
NUM_TOKENS = 12  # kept of each tap, evenly spread
OUTPUT = Path(__file__).parent / "dinov2_registers.npz"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def tapped(model: Dinov2WithRegistersModel, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, taps [4, tokens, width]): patch tokens of the last four blocks through the final norm."""
    image = (torch.from_numpy(random_image(*size, IMAGE_SEED)) - MEAN) / STD
    with torch.no_grad():
        states = model(image.permute(0, 3, 1, 2).double(), output_hidden_states=True).hidden_states[-4:]
        taps = np.stack([model.layernorm(state)[0, 1 + NUM_REGISTERS :].numpy() for state in states])
    tokens = np.linspace(0, taps.shape[1] - 1, NUM_TOKENS).astype(int)
    return tokens, taps[:, tokens].astype(np.float32)


def main() -> None:
    config = Dinov2WithRegistersConfig(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=NUM_HEADS,
        num_register_tokens=NUM_REGISTERS,
        image_size=518,
        patch_size=14,
        layer_norm_eps=1e-6,
    )
    with tempfile.TemporaryDirectory() as folder:
        # Through a file, whose names are the published ones.
        config.save_pretrained(folder)
        state = random_state(WIDTH, DEPTH, WEIGHT_SEED, NUM_REGISTERS)
        save_file(state, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        model, report = Dinov2WithRegistersModel.from_pretrained(folder, output_loading_info=True)
    if any(report.values()):
        raise ValueError(f"transformers did not take every array: {report}")
    model = model.double().eval()
    kept = {}
    for size in SIZES:
        name = f"{size[0]}x{size[1]}"
        kept[f"tokens_{name}"], kept[f"taps_{name}"] = tapped(model, size)
    np.savez_compressed(
        OUTPUT,
        **kept,
        width=WIDTH,
        depth=DEPTH,
        num_heads=NUM_HEADS,
        num_registers=NUM_REGISTERS,
        weight_seed=WEIGHT_SEED,
        image_seed=IMAGE_SEED,
        versions=f"transformers {version('transformers')}, torch {version('torch')}, numpy {version('numpy')}",
    )


if __name__ == "__main__":
    main()
