"""Runs torch's TransformerDecoder in float64 on generated weights: the reference of
test_transformer_matches_torch.py."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from transformer_state import HIDDEN, NUM_HEADS, NUM_LAYERS, WIDTH, random_state, random_tokens

WEIGHT_SEED, TOKEN_SEED = 5, 6
NUM_KEPT = 12  # queries, evenly spread
OUTPUT = Path(__file__).parent / "transformer_torch.npz"


def main() -> None:
    state = {name: torch.from_numpy(array).double() for name, array in random_state(WEIGHT_SEED).items()}
    layer = torch.nn.TransformerDecoderLayer(WIDTH, NUM_HEADS, HIDDEN, batch_first=True)  # torch's own defaults
    decoder = torch.nn.TransformerDecoder(layer, NUM_LAYERS).double().eval()
    prefix = "transformer.decoder."
    decoder.load_state_dict({n.removeprefix(prefix): array for n, array in state.items() if n.startswith(prefix)})
    tokens = torch.from_numpy(random_tokens(TOKEN_SEED)).double()

    def projected(name: str, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(
            x, state[f"transformer.{name}.weight"], state[f"transformer.{name}.bias"]
        )

    queries = projected("input_projection", state["head_base"]).expand(len(tokens), -1, -1)
    with torch.no_grad():
        features = decoder(queries, projected("memory_projection", tokens)).numpy()
    kept = np.linspace(0, features.shape[1] - 1, NUM_KEPT).astype(int)
    np.savez_compressed(
        OUTPUT,
        queries=kept,
        features=features[:, kept].astype(np.float32),
        weight_seed=WEIGHT_SEED,
        token_seed=TOKEN_SEED,
        versions=f"torch {version('torch')}, numpy {version('numpy')}",
    )


if __name__ == "__main__":
    main()
