"""Writes the zip archive that torch.save writes, without torch: tensors are arrays, or views of shared storages."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax.numpy as jnp
import numpy as np

STORAGES = {
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(jnp.bfloat16): "BFloat16Storage",
    np.dtype(np.float64): "DoubleStorage",
    np.dtype(np.int64): "LongStorage",
}


class View(NamedTuple):
    """A tensor as torch stores it; views of one array share its storage. offset and stride count numbers."""

    storage: np.ndarray
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    parameter: bool = False


def write_torch(path: Path, content: Any, folder: str = "archive") -> Path:
    """Writes content (dicts, tensors, plain values) as torch.save does."""
    buffer, storages = io.BytesIO(), []
    with torch_names() as names:
        TensorPickler(buffer, names, storages).dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", buffer.getvalue())
        archive.writestr(f"{folder}/byteorder", "little")
        for key, storage in enumerate(storages):
            archive.writestr(f"{folder}/data/{key}", np.ascontiguousarray(storage).tobytes())
        archive.writestr(f"{folder}/version", "3\n")
    return path


class Names(NamedTuple):
    """What a pickle of tensors names."""

    rebuild_tensor: Any
    rebuild_parameter: Any
    storages: dict[np.dtype, type]


@contextmanager
def torch_names() -> Iterator[Names]:
    """Modules that bear torch's names, while a pickle is written: it stores functions and classes by name."""

    def named(module: str, name: str) -> type:
        return type(name, (), {"__module__": module})

    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    storages = {dtype: named("torch", name) for dtype, name in STORAGES.items()}
    rebuilders = [named("torch._utils", name) for name in ("_rebuild_tensor_v2", "_rebuild_parameter")]
    for module, members in ((torch, storages.values()), (utils, rebuilders)):
        for member in members:
            setattr(module, member.__name__, member)
    with mock.patch.dict(sys.modules, {"torch": torch, "torch._utils": utils}):
        yield Names(*rebuilders, storages)


class StorageId(NamedTuple):
    """Stands for a storage in the pickle."""

    pid: tuple


class TensorPickler(pickle.Pickler):
    """Pickles arrays and views as tensors; collects their storages."""

    def __init__(self, file: io.BytesIO, names: Names, storages: list[np.ndarray]):
        super().__init__(file, protocol=2)
        self.names, self.storages = names, storages

    def persistent_id(self, obj: Any) -> tuple | None:
        return obj.pid if isinstance(obj, StorageId) else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray):
            stride = tuple(int(np.prod(obj.shape[axis + 1 :])) for axis in range(obj.ndim))
            obj = View(obj, 0, obj.shape, stride)
        if not isinstance(obj, View):
            return NotImplemented
        known = [key for key, storage in enumerate(self.storages) if storage is obj.storage]
        if not known:
            self.storages.append(obj.storage)
        key = known[0] if known else len(self.storages) - 1
        kind = self.names.storages[obj.storage.dtype]
        storage = StorageId(("storage", kind, str(key), "cpu", obj.storage.size))
        if obj.parameter:
            return self.names.rebuild_parameter, (obj._replace(parameter=False), True, OrderedDict())
        return self.names.rebuild_tensor, (storage, obj.offset, obj.size, obj.stride, False, OrderedDict())
