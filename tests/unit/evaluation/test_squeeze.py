"""SqueezeNet's LPIPS with made-up weights, against plain numpy."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from omg_jax.evaluation.perceptual import Lpips, joined
from omg_jax.evaluation.squeeze import load_squeeze
from tests.tolerances import LPIPS_PARITY
from tests.unit.losses.pictures import distorted, photo

# (slice, place): channels in, squeezed, expanded by either kernel. SqueezeNet 1.1, cut as the lpips package cuts it.
FIRES = {
    (2, 3): (64, 16, 64), (2, 4): (128, 16, 64), (3, 6): (128, 32, 128), (3, 7): (256, 32, 128),
    (4, 9): (256, 48, 192), (5, 10): (384, 48, 192), (6, 11): (384, 64, 256), (7, 12): (512, 64, 256),
}  # fmt: skip
POOLED = {2, 3, 4}  # slices that begin with a pooling
HEADS = (64, 128, 256, 384, 384, 512, 512)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    """Arrays by the lpips package's names."""
    rng = np.random.default_rng(0)

    def convolution(name: str, out: int, into: int, size: int) -> dict[str, np.ndarray]:
        scale = (2.0 / (into * size * size)) ** 0.5
        kernel, bias = rng.normal(0.0, scale, (out, into, size, size)), rng.normal(0.0, 0.1, out)
        return {f"{name}.weight": np.float32(kernel), f"{name}.bias": np.float32(bias)}

    arrays = convolution("net.slice1.0", 64, 3, 3)
    for (number, place), (into, few, out) in FIRES.items():
        name = f"net.slice{number}.{place}"
        arrays |= convolution(f"{name}.squeeze", few, into, 1)
        arrays |= convolution(f"{name}.expand1x1", out, few, 1) | convolution(f"{name}.expand3x3", out, few, 3)
    heads = {f"lin{k}.model.1.weight": np.float32(rng.random((1, count, 1, 1))) for k, count in enumerate(HEADS)}
    return arrays | heads


@pytest.fixture
def file(weights, tmp_path, monkeypatch):
    path = tmp_path / "lpips_squeeze.safetensors"
    save_file(weights, path)
    monkeypatch.setenv("OMG_ASSET_LPIPS_SQUEEZE", str(path))
    return path


def convolve(x: np.ndarray, weights: dict, name: str, stride: int = 1) -> np.ndarray:
    """ReLU of a convolution of [channels, height, width]; 3 x 3 kernels keep the size unless they skip pixels."""
    kernel, bias = np.float64(weights[f"{name}.weight"]), np.float64(weights[f"{name}.bias"])
    size = kernel.shape[-1]
    x = np.pad(x, ((0, 0), (1, 1), (1, 1))) if size == 3 and stride == 1 else x
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.maximum(np.einsum("ihwab,oiab->ohw", windows, kernel) + bias[:, None, None], 0.0)


def pool(x: np.ndarray) -> np.ndarray:
    """Maxima of 3 x 3 windows at every other pixel that begin inside and whose rest may lie beyond the border."""
    rows, columns = (range(0, max(1, -(-(size - 3) // 2) * 2 + 1), 2) for size in x.shape[1:])
    return np.stack([[x[:, i : i + 3, j : j + 3].max(axis=(1, 2)) for j in columns] for i in rows]).transpose(2, 0, 1)


def oracle(weights: dict, a: np.ndarray, b: np.ndarray) -> float:
    """LPIPS of two pictures in [0, 1]."""
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    both = [((2.0 * np.float64(x) - 1.0 - shift) / scale).transpose(2, 0, 1) for x in (a, b)]
    both = [convolve(x, weights, "net.slice1.0", stride=2) for x in both]
    total = 0.0
    for number, head in enumerate((weights[f"lin{k}.model.1.weight"] for k in range(7)), start=1):
        both = [pool(x) for x in both] if number in POOLED else both
        for name in (f"net.slice{n}.{place}" for n, place in FIRES if n == number):
            few = [convolve(x, weights, f"{name}.squeeze") for x in both]
            both = [
                np.concatenate([convolve(x, weights, f"{name}.expand{size}") for size in ("1x1", "3x3")]) for x in few
            ]
        unit = [x / (np.linalg.norm(x, axis=0) + 1e-10) for x in both]
        total += np.einsum("chw,c->hw", (unit[0] - unit[1]) ** 2, np.float64(head).ravel()).mean()
    return total


def test_the_distance_is_that_of_the_network(file, weights):
    target = photo(58, 71)  # sizes of either parity before each pooling
    measure = Lpips("squeeze")
    prepared = measure.prepare(target[None])
    distance = joined(measure.distances(prepared, distorted(target)[None]), 1)
    np.testing.assert_allclose(distance, oracle(weights, distorted(target), target), **LPIPS_PARITY)
    assert joined(measure.distances(prepared, target[None]), 1) == [0.0]


def test_a_file_that_is_no_such_network_is_refused(file, weights, tmp_path):
    save_file({"lin0.model.1.weight": weights["lin0.model.1.weight"]}, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match="part.safetensors lacks the array 'net.slice1.0.weight'"):
        load_squeeze(tmp_path / "part.safetensors")
    (tmp_path / "text.safetensors").write_text("no network")
    for name in ("text.safetensors", "missing.safetensors"):
        with pytest.raises(ValueError, match=f"cannot read LPIPS weights from .*{name}"):
            load_squeeze(tmp_path / name)
