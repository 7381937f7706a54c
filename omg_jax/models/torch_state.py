"""A PyTorch network's arrays by name, read layer by layer into Flax's layout, with an account of what does not fit."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from omg_jax.models.torch_file import read_torch

_WRAPPERS = ("model", "state_dict")  # keys under which checkpoints hold their tensors
_NUM_NAMED = 8  # of the names that a sentence lists


def read_state(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file, or of a PyTorch checkpoint (a dict of tensors, perhaps under "model").

    Raises:
        ValueError: the file is missing or damaged, or holds something other than arrays under names.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    state = read_torch(path)
    for key in _WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__}; expected a dict of tensors")
    odd = [name for name, array in state.items() if not (isinstance(name, str) and isinstance(array, np.ndarray))]
    if odd:
        raise ValueError(f"{path} holds something other than tensors under {listed(map(str, odd))}")
    return dict(state)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"no weights at {path}; name a .safetensors or .pth file")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no readable safetensors file ({error}); is it complete?") from error


class TorchState:
    """Takes layers out of a state dict and turns them from torch's layout into Flax's, as float32.

    An array that is missing, of another shape or not finite is noted, and stands as zeros until `check` raises for all.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], prefix: str = ""):
        """prefix: what every name begins with that is asked for."""
        self.arrays, self.prefix = arrays, prefix
        self.missing: list[str] = []
        self.misshapen: list[str] = []
        self.not_finite: list[str] = []
        self.taken: set[str] = set()

    def under(self, prefix: str) -> "TorchState":
        """The same state dict and account, for names with a further prefix."""
        inner = TorchState(self.arrays, self.prefix + prefix)
        inner.missing, inner.misshapen, inner.not_finite = self.missing, self.misshapen, self.not_finite
        inner.taken = self.taken
        return inner

    def check(self) -> None:
        """ValueError that names whatever was missing, of another shape than asked for, or not finite."""
        kinds = {"missing": self.missing, "of another shape": self.misshapen, "with NaN or infinity": self.not_finite}
        problems = [f"{len(names)} {kind}: {listed(names)}" for kind, names in kinds.items() if names]
        if problems:
            raise ValueError("; ".join(problems))

    def left(self) -> list[str]:
        """The names that were not asked for, in the file's order."""
        return [name for name in self.arrays if name not in self.taken]

    def array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """One array as it is stored."""
        name = self.prefix + name
        self.taken.add(name)
        if name not in self.arrays:
            self.missing.append(name)
        elif self.arrays[name].shape != shape:
            self.misshapen.append(f"{name} {list(self.arrays[name].shape)}, expected {list(shape)}")
        else:
            array = np.asarray(self.arrays[name], np.float32)
            if np.isfinite(array).all():
                return array
            self.not_finite.append(name)
        return np.broadcast_to(np.float32(0), shape)

    def vector(self, name: str, length: int) -> np.ndarray:
        """One row of numbers, whatever axes of length 1 it is stored with."""
        stored = self.arrays.get(self.prefix + name)
        fits = stored is not None and stored.size == length == max(stored.shape, default=1)
        return self.array(name, stored.shape if fits else (length,)).reshape(length)

    def linear(self, name: str, inputs: int, outputs: int) -> dict:
        """(out, in) -> (in, out)."""
        return {"kernel": self.array(f"{name}.weight", (outputs, inputs)).T, "bias": self._bias(name, outputs)}

    def pointwise(self, name: str, inputs: int, outputs: int) -> dict:
        """A 1x1 convolution that is a linear layer here."""
        weight = self.array(f"{name}.weight", (outputs, inputs, 1, 1))
        return {"kernel": weight[:, :, 0, 0].T, "bias": self._bias(name, outputs)}

    def conv(self, name: str, inputs: int, outputs: int, size: int, *, bias: bool = True) -> dict:
        """(out, in, height, width) -> (height, width, in, out)."""
        kernel = self.array(f"{name}.weight", (outputs, inputs, size, size)).transpose(2, 3, 1, 0)
        return {"kernel": kernel} | ({"bias": self._bias(name, outputs)} if bias else {})

    def upsample(self, name: str, channels: int, factor: int) -> dict:
        """A transposed convolution whose stride is its size: (in, out, height, width) -> (in, height, width, out).

        Such a kernel is not turned round: output pixel (factor*y + i, factor*x + j) has the weights of (i, j).
        """
        weight = self.array(f"{name}.weight", (channels, channels, factor, factor))
        return {"kernel": weight.transpose(0, 2, 3, 1), "bias": self._bias(name, channels)}

    def norm(self, name: str, width: int) -> dict:
        """LayerNorm."""
        return {"scale": self.array(f"{name}.weight", (width,)), "bias": self._bias(name, width)}

    def _bias(self, name: str, outputs: int) -> np.ndarray:
        return self.array(f"{name}.bias", (outputs,))


def listed(names) -> str:
    """Names in a sentence: the first few, and how many more there are."""
    names = list(names)
    more = len(names) - _NUM_NAMED
    return ", ".join(names[:_NUM_NAMED]) + (f" and {more} more" if more > 0 else "")
