"""Random weights of a small feature pyramid, taps and a photo, the same for us and for torch: made from a seed."""

import numpy as np

GRID, TOKEN_CHANNELS, WIDTH = 7, 12, 8
CHANNELS = (6, 8, 10, 10)
IMAGE_SIZE = 14 * GRID


def random_state(seed: int) -> dict[str, np.ndarray]:
    """Arrays by the release's names, in torch's layout. refinenet.0, the coarsest, has no skip (resConfUnit1)."""
    rng, state = np.random.default_rng(seed), {}

    def layer(name: str, *shape: int, bias: int = 0) -> None:
        state[f"{name}.weight"] = rng.normal(0.0, 0.15, shape).astype(np.float32)
        if bias:
            state[f"{name}.bias"] = rng.normal(0.0, 0.1, bias).astype(np.float32)

    for i, channels in enumerate(CHANNELS):
        layer(f"projects.{i}", channels, TOKEN_CHANNELS, 1, 1, bias=channels)
        layer(f"layer_rn.{i}", WIDTH, channels + 3, 3, 3)
        for unit in ("resConfUnit2",) if i == 3 else ("resConfUnit1", "resConfUnit2"):
            for conv in ("conv1", "conv2"):
                layer(f"refinenet.{3 - i}.{unit}.{conv}", WIDTH, WIDTH, 3, 3, bias=WIDTH)
        layer(f"refinenet.{3 - i}.out_conv", WIDTH, WIDTH, 1, 1, bias=WIDTH)
    layer("resize_layers.0", CHANNELS[0], CHANNELS[0], 4, 4, bias=CHANNELS[0])  # transposed: (in, out, h, w)
    layer("resize_layers.1", CHANNELS[1], CHANNELS[1], 2, 2, bias=CHANNELS[1])
    layer("resize_layers.3", CHANNELS[3], CHANNELS[3], 3, 3, bias=CHANNELS[3])
    layer("output_conv", WIDTH, WIDTH, 3, 3, bias=WIDTH)
    return state


def random_inputs(seed: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """(four taps [2, n*n, d], photo [2, h, w, 3] in [0, 1])."""
    rng = np.random.default_rng(seed)
    taps = tuple(rng.normal(size=(2, GRID**2, TOKEN_CHANNELS)).astype(np.float32) for _ in range(4))
    return taps, rng.uniform(size=(2, IMAGE_SIZE, IMAGE_SIZE, 3)).astype(np.float32)
