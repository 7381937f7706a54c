"""PyTorch checkpoints without PyTorch: what is read, and what is refused in which words."""

import contextlib
import io
import os
import pickle
import zipfile
from collections import OrderedDict

import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.models.torch_file import read_torch
from omg_jax.models.torch_state import read_state
from tests.unit.models.torch_zip import View, write_torch

BASE = np.arange(12, dtype=np.float32)


def test_arrays_of_every_type_come_back(tmp_path):
    kinds = (np.float32, np.float16, jnp.bfloat16, np.float64, np.int64)
    content = {np.dtype(kind).name: np.arange(6).reshape(2, 3).astype(kind) for kind in kinds}
    content["scalar"] = np.array(2.5, np.float32)
    read = read_torch(write_torch(tmp_path / "a.pth", content))
    for name, array in content.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_views_share_their_storage(tmp_path):
    views = {"transposed": View(BASE, 0, (4, 3), (1, 4)), "slice": View(BASE, 4, (2, 2), (4, 2), parameter=True)}
    path = write_torch(tmp_path / "a.pth", OrderedDict(views))
    with zipfile.ZipFile(path) as archive:
        assert sum("/data/" in name for name in archive.namelist()) == 1
    read = read_torch(path)
    np.testing.assert_array_equal(read["transposed"], BASE.reshape(3, 4).T)
    np.testing.assert_array_equal(read["slice"], BASE.reshape(3, 4)[1:, ::2])
    assert np.shares_memory(read["transposed"], read["slice"])


@pytest.mark.parametrize(
    "view",
    [View(BASE, 4, (3, 3), (3, 1)), View(BASE, 0, (4,), (4,)), View(BASE, 13, (), ()), View(BASE, 0, (3,), (-1,)),
     View(BASE, -1, (2,), (1,)), View(BASE, 0, (3, 4), (1,))],
)  # fmt: skip
def test_a_tensor_outside_its_storage_is_refused(tmp_path, view):
    with pytest.raises(ValueError, match=r"a\.pth is refused: .*storage"):
        read_torch(write_torch(tmp_path / "a.pth", {"x": view}))


def test_a_tensor_is_no_storage(tmp_path):
    """A view that repeats one number is longer than its memory: a view of it as a storage would read beyond."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    repeated = rebuild + b"(" + storage + b"K\x00K\xff\x85K\x00\x85\x89}tR"
    beyond = rebuild + b"(" + repeated + b"K\x00K\xff\x85K\x01\x85\x89}tR"
    for pickled in (repeated, beyond):
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + pickled + b".")
            archive.writestr("archive/data/0", np.float32(3.0).tobytes())
        if pickled is repeated:
            np.testing.assert_array_equal(read_torch(tmp_path / "a.pth"), np.full(255, 3.0))
    with pytest.raises(ValueError, match="no view of a storage"):
        read_torch(tmp_path / "a.pth")


class RunsCode:
    """Unpickled by an ordinary unpickler, this would make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_pickle_is_not_run(tmp_path, protocol):
    content = pickle.dumps({"model": {}, "options": RunsCode(tmp_path / "made")}, protocol)
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", content)
    with pytest.raises(ValueError, match=r"a\.pth is refused: it would call posix\.mkdir"):
        read_torch(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["torch\nFloatStorage", "torch._utils\n_rebuild_tensor_v2", "numpy\nfloat32"])
def test_a_pickle_changes_nothing_outside_itself(tmp_path, name):
    """The opcode BUILD sets the state or attributes of any object that a pickle gets hold of."""
    state = pickle.dumps((3, ">", None, None, None, -1, -1, 0), 2)[2:-1]
    attributes = pickle.dumps((None, {"__defaults__": (), "name": "x"}), 2)[2:-1]
    for change in (state, attributes):
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02c" + name.encode() + b"\n" + change + b"b.")
        with contextlib.suppress(ValueError):
            read_torch(tmp_path / "a.pth")
    assert np.dtype(np.float32).isnative
    test_views_share_their_storage(tmp_path)


class Options(dict):
    """A configuration object, as checkpoints often hold one."""


def test_objects_are_left_empty_and_are_no_arrays(tmp_path):
    path = write_torch(tmp_path / "a.pth", {"model": {"x": BASE}, "options": Options(width=3)})
    assert read_state(path).keys() == {"x"}
    assert type(read_torch(path)["options"]).__name__ == f"{__name__}.Options"
    with pytest.raises(ValueError, match="something other than tensors under options, step"):
        read_state(write_torch(tmp_path / "b.pth", {"x": BASE, "options": Options(), "step": 3}))


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    path = write_torch(tmp_path / "a.pth", {"x": BASE})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="cut short"):
        read_torch(path)


def test_a_changed_number_is_noticed(tmp_path):
    path = write_torch(tmp_path / "a.pth", {"x": BASE})
    content = path.read_bytes()
    path.write_bytes(content.replace(np.float32(7.0).tobytes(), np.float32(8.0).tobytes()))
    with pytest.raises(ValueError, match=r"checksum of its entry archive/data/0"):
        read_torch(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(ValueError, match=r"text\.pth is no PyTorch checkpoint"):
        read_torch(tmp_path / "text.pth")
    with pytest.raises(ValueError, match="no PyTorch checkpoint at"):
        read_torch(tmp_path / "absent.pth")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ValueError, match=r"without the data\.pkl"):
        read_torch(tmp_path / "a.zip")


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00", b"\x80\x02cos\nsystem\n.x", b"garbage"])
def test_a_damaged_pickle_is_refused_or_harmless(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", content)
    with pytest.raises(ValueError, match=r"a\.pth"):
        read_state(tmp_path / "a.pth")


def test_compressed_and_big_endian_entries_are_refused(tmp_path):
    plain = write_torch(tmp_path / "plain.pth", {"x": BASE})
    with zipfile.ZipFile(plain) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match="data/0 is compressed"):
        read_torch(tmp_path / "packed.pth")
    with zipfile.ZipFile(tmp_path / "big.pth", "w") as archive:
        for name, data in (entries | {"archive/byteorder": b"big"}).items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match="big-endian"):
        read_torch(tmp_path / "big.pth")


def test_an_unknown_type_of_storage_is_named(tmp_path):
    buffer = io.BytesIO()
    buffer.write(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nQInt8Storage\n")
    buffer.write(b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00(K\x04t(K\x01t\x89}tR.")
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        archive.writestr("archive/data/0", bytes(4))
    with pytest.raises(ValueError, match="its storage 0 is of a type that is not read here; .* float, half"):
        read_torch(tmp_path / "a.pth")
