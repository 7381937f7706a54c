"""FLAME files: what is read, and what is refused in which words."""

import io
import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse

from omg_jax.head import load_flame, load_head
from omg_jax.head.flame import FIELDS, WORLD_UNITS_PER_METRE, convert_flame
from tests.parity.flame_file import flame_fields, write_flame_pickle
from tests.tolerances import FLOAT32_ROUNDING

SEED = 7


@pytest.fixture(scope="module")
def fields():
    return flame_fields(SEED)


@pytest.fixture(scope="module")
def flame_pickle(tmp_path_factory):
    path = tmp_path_factory.mktemp("flame") / "flame.pkl"
    write_flame_pickle(path, SEED)
    return path


def write(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def test_pickle_and_npz_give_the_same_model(tmp_path, flame_pickle, fields):
    np.savez(tmp_path / "flame.npz", **fields)
    from_pickle, from_npz = load_flame(flame_pickle), load_flame(tmp_path / "flame.npz")
    for name, values in from_pickle._asdict().items():
        np.testing.assert_array_equal(values, getattr(from_npz, name), err_msg=name)


def test_a_converted_file_gives_the_same_head(tmp_path, flame_pickle):
    convert_flame(flame_pickle, tmp_path / "flame.npz")
    assert load_head(f"flame:{tmp_path / 'flame.npz'}").sha256 == load_head(f"flame:{flame_pickle}").sha256
    with np.load(tmp_path / "flame.npz", allow_pickle=False) as archive:
        assert set(archive) == set(FIELDS)
    with pytest.raises(ValueError, match=r"expected an output NAME\.npz"):
        convert_flame(flame_pickle, tmp_path / "flame.pkl")


def test_lengths_become_world_units_and_bases_are_split(flame_pickle, fields):
    model = load_flame(flame_pickle)
    np.testing.assert_allclose(model.template, fields["v_template"] * WORLD_UNITS_PER_METRE, **FLOAT32_ROUNDING)
    expected = fields["shapedirs"][:, :, 300:] * WORLD_UNITS_PER_METRE
    np.testing.assert_allclose(model.expression_basis, expected, **FLOAT32_ROUNDING)
    assert model.shape_basis.shape == (5023, 3, 300)
    assert model.pose_correctives.shape == (36, 5023, 3)
    assert model.parents.tolist() == [-1, 0, 1, 1, 1]


def test_chumpy_arrays_are_read_without_chumpy(tmp_path, fields, monkeypatch):
    """The official files hold chumpy.ch.Ch objects, whose value stands under 'x'."""
    module = types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x):
            self.__dict__.update(x=x, _dirty_vars=set())

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module.Ch = Ch
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    wrapped = {name: Ch(values) if name in ("v_template", "shapedirs") else values for name, values in fields.items()}
    for protocol in (1, 2):
        path = write(tmp_path / "flame.pkl", wrapped, protocol)
        model = load_flame(path)
        np.testing.assert_allclose(model.template, fields["v_template"] * WORLD_UNITS_PER_METRE, **FLOAT32_ROUNDING)


class Foreign:
    """A class that has no place in a model file."""


def test_a_foreign_class_is_refused_by_name(tmp_path):
    path = write(tmp_path / "flame.pkl", {"v_template": np.zeros((3, 3)), "extra": Foreign()})
    with pytest.raises(ValueError, match=r"flame\.pkl is refused: it holds .*test_flame\.Foreign"):
        load_flame(path)


class RunsCode:
    """Unpickled by an ordinary unpickler, this would call print."""

    def __reduce__(self):
        return print, ("run",)


def test_code_in_a_pickle_is_not_run(tmp_path, capsys):
    path = write(tmp_path / "flame.pkl", {"v_template": RunsCode()})
    with pytest.raises(ValueError, match="refused"):
        load_flame(path)
    assert "run" not in capsys.readouterr().out


def test_a_truncated_file_is_refused(tmp_path, flame_pickle):
    data = flame_pickle.read_bytes()
    (tmp_path / "flame.pkl").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is the file complete"):
        load_flame(tmp_path / "flame.pkl")
    np.savez(tmp_path / "flame.npz", v_template=np.zeros((3, 3)))
    (tmp_path / "flame.npz").write_bytes((tmp_path / "flame.npz").read_bytes()[:100])
    with pytest.raises(ValueError, match=r"flame\.npz cannot be read"):
        load_flame(tmp_path / "flame.npz")


@pytest.mark.parametrize(
    "name, content",
    [("text.pkl", b"a text file, not a model"), ("text.npz", b"a text file"), ("empty.pkl", b"")],
)
def test_other_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        load_flame(tmp_path / name)


def test_another_model_is_refused(tmp_path, fields):
    """SMPL has the same fields, but 24 joints."""
    smpl = fields | {"weights": np.zeros((5023, 24)), "J_regressor": scipy.sparse.csc_matrix(np.zeros((24, 5023)))}
    with pytest.raises(ValueError, match=r"expected J_regressor of shape \(5, 5023\), got \(24, 5023\)"):
        load_flame(write(tmp_path / "smpl.pkl", smpl))


def test_missing_fields_and_files_are_named(tmp_path, fields):
    buffer = io.BytesIO()
    np.savez(buffer, **{name: values for name, values in fields.items() if name != "posedirs"})
    (tmp_path / "part.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="lacks posedirs"):
        load_flame(tmp_path / "part.npz")
    with pytest.raises(ValueError, match="does not exist"):
        load_flame(tmp_path / "nothing.pkl")


def test_load_head_by_path(flame_pickle, fields):
    head = load_head(f"flame:{flame_pickle}")
    strongest = fields["weights"].argmax(axis=1)
    assert head.name == "flame" and len(head.sha256) == 64
    assert len(head.shape_names) == 300 and len(head.expression_names) == 100
    np.testing.assert_array_equal(head.regions["left_eyeball"], np.flatnonzero(strongest == 3))
    with pytest.raises(ValueError, match='expected "arkit" or "flame:PATH"'):
        load_head("smpl")
