"""Reads the tensors of a PyTorch checkpoint (.pth, .pt) without PyTorch, running nothing that the file holds.

torch.save writes a zip archive without compression: ``NAME/data.pkl``, a pickle of the saved object in which tensors
are views of storages, and one entry ``NAME/data/KEY`` per storage. Unpickling may call any importable object; the
reader here calls nothing but its own rebuilders of tensors, and refuses a pickle that asks for more.
"""

import pickle
import struct
import zipfile
from collections import OrderedDict
from operator import index
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

_LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that began files before PyTorch 1.6
_ZIP_START = b"PK\x03\x04"
_LOCAL_HEADER = 30  # bytes before an entry's name, whose last four give the lengths of the name and the extra field
_STORAGES = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": jnp.bfloat16,
    "DoubleStorage": np.float64,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
# What reading a damaged or malicious pickle raises.
_MALFORMED = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError,
    struct.error,
)  # fmt: skip


def read_torch(path: Path | str) -> Any:
    """The object that torch.save wrote, with tensors as read-only arrays, mapped from the file.

    Objects of classes other than containers and tensors (a configuration, say) become empty stand-ins.

    Raises:
        ValueError: the file is missing, damaged, cut short, of PyTorch's old format, or asks to run something.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no PyTorch checkpoint at {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # also the only check of the arrays, which are mapped later
            if damaged is not None:
                raise zipfile.BadZipFile(f"the checksum of its entry {damaged} is wrong")
            return _Archive(path, archive).load()
    except zipfile.BadZipFile as error:
        raise ValueError(_not_a_zip(path, error)) from error
    except _RefusedError as error:
        raise ValueError(f"{path} is refused: {error}") from error
    except _MALFORMED as error:
        raise ValueError(f"{path} is no readable PyTorch checkpoint ({error}); is it complete?") from error


def _not_a_zip(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(len(_LEGACY_START))
    if start == _LEGACY_START:
        return (
            f"{path} has PyTorch's format of before 1.6, which is not read here: where PyTorch is installed, save it "
            f'again with torch.save(torch.load("{path.name}", map_location="cpu"), "NEW.pth")'
        )
    if start.startswith(_ZIP_START):
        return f"{path} is cut short or damaged ({error}); get the file again"
    return f"{path} is no PyTorch checkpoint ({error}); name a .pth or .pt file that torch.save wrote"


class _RefusedError(pickle.UnpicklingError):
    """The pickle asks for something that is not a tensor."""


class _Archive:
    """An open checkpoint: its pickle, and its storages as arrays."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise _RefusedError("it is a zip archive without the data.pkl of a PyTorch checkpoint")
        self.folder = pickles[0].removesuffix("data.pkl")
        self.archive = archive
        self.content = np.asarray(np.memmap(path, np.uint8, "r"))
        names = archive.namelist()
        if f"{self.folder}byteorder" in names and archive.read(f"{self.folder}byteorder") != b"little":
            raise _RefusedError("its numbers are big-endian, which is not read here")

    def load(self) -> Any:
        with self.archive.open(f"{self.folder}data.pkl") as file:
            return _TensorUnpickler(file, self.storage).load()

    def storage(self, key: str, dtype: np.dtype) -> np.ndarray:
        """All numbers of one storage, one after the other."""
        entry = self.archive.getinfo(f"{self.folder}data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise _RefusedError(f"its entry {entry.filename} is compressed, which torch.save never does")
        lengths = self.content[entry.header_offset + _LOCAL_HEADER - 4 : entry.header_offset + _LOCAL_HEADER]
        start = entry.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", lengths.tobytes()))
        stored = self.content[start : start + entry.file_size]
        if stored.size % dtype.itemsize:
            raise _RefusedError(f"its entry {entry.filename} is no array of {dtype}")
        return stored.view(dtype)


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler that knows tensors and containers and nothing else."""

    def __init__(self, file, storage):
        super().__init__(file)
        self.storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return np.dtype(_STORAGES[name])
        if (module, name) in _REBUILDERS:
            rebuild = _REBUILDERS[module, name]
            return lambda *arguments: rebuild(*arguments)  # a pickle may set attributes of what it gets: not ours
        return _CONTAINERS.get((module, name)) or _Foreign(f"{module}.{name}", (_StandIn,), {})

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            known = ", ".join(name.removesuffix("Storage").lower() for name in _STORAGES)
            raise _RefusedError(f"its storage {key} is of a type that is not read here; the known ones are {known}")
        return self.storage(key, dtype)


class _Foreign(type):
    """The class of stand-ins for classes and functions that are not imported: calling one is refused."""

    def __call__(cls, *args, **kwargs):
        raise _RefusedError(
            f"it would call {cls.__name__}, but only tensors are rebuilt here, as anything else could run code; where "
            "PyTorch is installed, save the tensors alone"
        )


class _StandIn(metaclass=_Foreign):
    """Stands for an object of a class that is not imported; what it held is let go."""

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        pass

    def extend(self, values):
        pass


def _rebuild_tensor(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None) -> np.ndarray:
    """A view of a storage; offset and stride count numbers."""
    offset, size, stride = index(offset), tuple(map(index, size)), tuple(map(index, stride))
    is_storage = isinstance(storage, np.ndarray) and storage.ndim == 1 and storage.flags.c_contiguous
    if not is_storage or len(size) != len(stride) or min(offset, *size, *stride, 0) < 0:
        raise _RefusedError("it holds a tensor that is no view of a storage")
    if 0 in size:
        return np.zeros(size, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= storage.size:
        raise _RefusedError(f"a tensor of shape {size} reaches beyond its storage of {storage.size} numbers")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


def _rebuild_parameter(tensor, requires_grad, hooks) -> np.ndarray:
    return tensor


_REBUILDERS = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
_CONTAINERS = {("collections", "OrderedDict"): OrderedDict, ("torch", "Size"): tuple}
