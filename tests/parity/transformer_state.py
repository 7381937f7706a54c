"""Random weights of the global transformer, and tokens, the same for us and for torch: made from a seed."""

import numpy as np

WIDTH, NUM_HEADS, HIDDEN, NUM_LAYERS = 256, 8, 1024, 2  # the paper's
TOKEN_CHANNELS, NUM_TOKENS, NUM_QUERIES = 768, 100, 150


def random_state(seed: int) -> dict[str, np.ndarray]:
    """Arrays under the release's names, where torch.nn.TransformerDecoder's own are the end of a name, in its layout:
    projections packed, kernels (out, in).
    """
    rng = np.random.default_rng(seed)

    def normal(*shape: int, std: float = 0.1) -> np.ndarray:
        return rng.normal(0.0, std, shape).astype(np.float32)

    state = {"head_base": normal(NUM_QUERIES, WIDTH, std=1.0)}
    linears = {
        "transformer.input_projection": (WIDTH, WIDTH),
        "transformer.memory_projection": (WIDTH, TOKEN_CHANNELS),
    }
    for index in range(NUM_LAYERS):
        layer = f"transformer.decoder.layers.{index}"
        for attention in ("self_attn", "multihead_attn"):
            state[f"{layer}.{attention}.in_proj_weight"] = normal(3 * WIDTH, WIDTH, std=WIDTH**-0.5)
            state[f"{layer}.{attention}.in_proj_bias"] = normal(3 * WIDTH)
            linears[f"{layer}.{attention}.out_proj"] = (WIDTH, WIDTH)
        linears |= {f"{layer}.linear1": (HIDDEN, WIDTH), f"{layer}.linear2": (WIDTH, HIDDEN)}
        for k in (1, 2, 3):
            state[f"{layer}.norm{k}.weight"] = 1.0 + normal(WIDTH)
            state[f"{layer}.norm{k}.bias"] = normal(WIDTH)
    for name, shape in linears.items():
        state[f"{name}.weight"] = normal(*shape, std=shape[1] ** -0.5)
        state[f"{name}.bias"] = normal(shape[0])
    return state


def random_tokens(seed: int) -> np.ndarray:
    """Two pictures' tokens."""
    return np.random.default_rng(seed).normal(size=(2, NUM_TOKENS, TOKEN_CHANNELS)).astype(np.float32)
