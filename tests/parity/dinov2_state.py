"""Random DINOv2 weights and images, the same for us and for the reference: made from a seed, never stored."""

import numpy as np


def random_state(width: int, depth: int, seed: int, num_registers: int = 0) -> dict[str, np.ndarray]:
    """Arrays under Hugging Face's names in torch's layout, scaled so that every part of the network matters."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, std: float = 0.1) -> np.ndarray:
        return rng.normal(0.0, std, shape).astype(np.float32)

    state = {
        "embeddings.cls_token": normal(1, 1, width, std=1.0),
        "embeddings.mask_token": normal(1, width),
        "embeddings.position_embeddings": normal(1, 37 * 37 + 1, width, std=1.0),
        "embeddings.patch_embeddings.projection.weight": normal(width, 3, 14, 14, std=588**-0.5),
        "embeddings.patch_embeddings.projection.bias": normal(width),
        "layernorm.weight": 1.0 + normal(width),
        "layernorm.bias": normal(width),
    }
    for index in range(depth):
        block = f"encoder.layer.{index}"
        linears = {f"attention.attention.{part}": (width, width) for part in ("query", "key", "value")}
        linears |= {"attention.output.dense": (width, width)}
        linears |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
        for name, shape in linears.items():
            state[f"{block}.{name}.weight"] = normal(*shape, std=shape[1] ** -0.5)
            state[f"{block}.{name}.bias"] = normal(shape[0])
        for k in (1, 2):
            state[f"{block}.norm{k}.weight"] = 1.0 + normal(width)
            state[f"{block}.norm{k}.bias"] = normal(width)
            state[f"{block}.layer_scale{k}.lambda1"] = 1.0 + normal(width, std=0.3)
    if num_registers:
        state["embeddings.register_tokens"] = normal(1, num_registers, width, std=1.0)
    return state


def random_image(height: int, width: int, seed: int) -> np.ndarray:
    """A picture in [0, 1], channels last."""
    return np.random.default_rng(seed).uniform(0.0, 1.0, (1, height, width, 3)).astype(np.float32)
