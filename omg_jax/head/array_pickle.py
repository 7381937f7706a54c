"""Reads pickles of arrays, running nothing that they hold.

Unpickling may call any importable object, so the reader here admits arrays of numpy, scipy.sparse and chumpy, the
latter two by small stand-ins, passes over tensors of PyTorch (they become None), and refuses every other name.
"""

import codecs
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse


def read_array_pickle(path: Path) -> Any:
    """The object in a pickle file; arrays of scipy.sparse and chumpy in it are given to ``dense``.

    ValueError where the file is damaged or holds anything but containers, numbers and arrays.
    """
    with path.open("rb") as file:
        return _load(file, path.name)


def read_array_npy(path: Path) -> Any:
    """What a .npy file holds: an array, or the one object that was pickled into it; raises as read_array_pickle."""
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = {1: np.lib.format.read_array_header_1_0}.get(version[0], np.lib.format.read_array_header_2_0)
            shape, _, kind = read_header(file)
        except ValueError as error:
            raise ValueError(f"{path.name} is no readable .npy file ({error}); is the file complete?") from error
        if kind.hasobject:
            stored = _load(file, path.name)
            return stored.item() if isinstance(stored, np.ndarray) and shape == () else stored
    return np.load(path, allow_pickle=False)


def _load(file: BinaryIO, name: str) -> Any:
    try:
        return _ArrayUnpickler(file, encoding="latin1").load()
    except _ForeignClassError as error:
        raise ValueError(f"{name} is refused: {error}") from error
    except (
        pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, MemoryError,
    ) as error:  # fmt: skip
        raise ValueError(f"{name} is no readable pickle of arrays ({error}); is the file complete?") from error


def dense(value: Any) -> np.ndarray:
    """A value of a pickle as an array of numbers."""
    if isinstance(value, _StoredObject):
        return value.dense()
    return value.toarray() if scipy.sparse.issparse(value) else np.asarray(value)


class _ForeignClassError(pickle.UnpicklingError):
    """The pickle names something that is not an array."""


class _StoredObject:
    """Holds the state of a pickled object of a class that is not imported."""

    state: dict

    def __setstate__(self, state):
        self.state = state


class _ChumpyArray(_StoredObject):
    """A chumpy array: its value stands under 'x'."""

    def dense(self) -> np.ndarray:
        return np.asarray(self.state["x"])


class _CscMatrix(_StoredObject):
    """A scipy.sparse matrix, compressed by columns."""

    compressed = scipy.sparse.csc_matrix

    def dense(self) -> np.ndarray:
        shape = self.state["_shape"] if "_shape" in self.state else self.state["shape"]
        parts = (self.state["data"], self.state["indices"], self.state["indptr"])
        return self.compressed(parts, shape=shape).toarray()


class _CsrMatrix(_CscMatrix):
    """A scipy.sparse matrix, compressed by rows."""

    compressed = scipy.sparse.csr_matrix


def _rebuild(cls, base, state):
    """Stands for copyreg._reconstructor, which Python 2 wrote for plain objects."""
    if not issubclass(cls, _StoredObject):
        raise _ForeignClassError(f"it rebuilds an object of class {cls.__name__}, which is not an array")
    return cls()


def _leave_unread(*_):
    """Stands for what rebuilds a PyTorch tensor: such files are read without PyTorch, and without their tensors."""


_ADMITTED = {
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
    ("numpy._core.multiarray", "scalar"): np._core.multiarray.scalar,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
    ("copyreg", "_reconstructor"): _rebuild,
    ("builtins", "bytes"): bytes,
    ("builtins", "object"): object,
    ("builtins", "set"): set,
    ("chumpy.ch", "Ch"): _ChumpyArray,
    ("scipy.sparse", "csc_matrix"): _CscMatrix,
    ("scipy.sparse", "csr_matrix"): _CsrMatrix,
    ("collections", "OrderedDict"): dict,
    ("torch._utils", "_rebuild_tensor_v2"): _leave_unread,
    ("torch.storage", "_load_from_bytes"): _leave_unread,
}
# The same objects under the module names of older releases.
_MODULES = {
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core._multiarray_umath": "numpy._core.multiarray",
    "copy_reg": "copyreg",
    "__builtin__": "builtins",
    "scipy.sparse.csc": "scipy.sparse",
    "scipy.sparse.csr": "scipy.sparse",
    "scipy.sparse._csc": "scipy.sparse",
    "scipy.sparse._csr": "scipy.sparse",
}


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows arrays and nothing else."""

    def find_class(self, module, name):
        admitted = _ADMITTED.get((_MODULES.get(module, module), name))
        if admitted is None:
            raise _ForeignClassError(
                f"it holds {module}.{name}; only arrays of numpy, scipy.sparse and chumpy are read, as "
                "loading anything else could run code"
            )
        return admitted
