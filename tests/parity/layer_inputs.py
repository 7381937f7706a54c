"""Random pictures, places and kernels, the same for us and for torch: made from a seed, never stored."""

import numpy as np

# (from, to), height and width: the photo for the backbone and for the pyramid's levels, mattes, masks, odd shapes.
ANTIALIASED = (
    ((512, 512), (518, 518)),
    ((518, 518), (148, 148)),
    ((518, 518), (37, 37)),
    ((518, 518), (19, 19)),
    ((512, 512), (296, 296)),
    ((45, 70), (83, 31)),
)
ALIGNED = (((19, 19), (37, 37)), ((37, 37), (74, 74)), ((11, 7), (20, 33)))
SAMPLED_MAP = (9, 13)  # height, width
STYLE, INPUTS, OUTPUTS, SIDE = 16, 6, 5, 12  # of the modulated convolution


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """One picture [1, h, w, c] of noise in [0, 1]."""
    shape = (1, height, width, channels)
    return np.random.default_rng(shape).uniform(size=shape).astype(np.float32)


def places() -> np.ndarray:
    """Pixel positions (x, y) [1, n, 2], some of them outside of SAMPLED_MAP."""
    height, width = SAMPLED_MAP
    return np.random.default_rng(7).uniform((-2, -2), (width + 2, height + 2), (1, 60, 2)).astype(np.float32)


def modulation() -> dict[str, np.ndarray]:
    """Weights of a modulated 3x3 convolution as the release names and lays them out, two pictures and their styles."""
    rng = np.random.default_rng(8)
    shapes = {
        "modulated_conv.weight": (1, OUTPUTS, INPUTS, 3, 3),
        "modulated_conv.modulation.weight": (INPUTS, STYLE),
        "modulated_conv.modulation.bias": (INPUTS,),
        "styles": (2, STYLE),
        "features": (2, INPUTS, SIDE, SIDE),
    }
    return {name: rng.normal(0.0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def every(length: int, count: int = 12) -> np.ndarray:
    """Some of a length's indices, borders included: what is kept of a large picture."""
    return np.unique(np.linspace(0, length - 1, count).astype(int))


def faces() -> np.ndarray:
    """Two pictures [2, 112, 112, 3] of eight bits in place of aligned faces: fine noise, and coarse."""
    fine, coarse = picture(112, 112)[0], np.kron(picture(14, 14)[0], np.ones((8, 8, 1)))
    return np.round(255.0 * np.stack([fine, coarse])).astype(np.uint8)
