"""The small reader of ONNX files."""

import numpy as np
import pytest

from omg_jax.models.onnx_file import read_onnx
from tests.tolerances import EXACT
from tests.unit.models.onnx_bytes import bytes_field, onnx_model, tensor

MATRIX = np.arange(600, dtype=np.float32).reshape(2, 300)


def test_initializers_and_nodes_are_read(tmp_path):
    path = tmp_path / "model.onnx"
    ids = np.arange(3, dtype=np.int64)
    path.write_bytes(onnx_model({"kernel": MATRIX, "ids": ids}, {"/layer/MatMul": ["x", "kernel"]}))
    graph = read_onnx(path)
    assert list(graph.initializers) == ["kernel"]  # integers are no weights
    np.testing.assert_allclose(graph.initializers["kernel"], MATRIX, **EXACT)
    assert graph.node_inputs == {"/layer/MatMul": ["x", "kernel"]}


def test_packed_dimensions_are_read_too(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes_field(7, bytes_field(5, tensor("kernel", MATRIX, packed_dims=True))))
    np.testing.assert_allclose(read_onnx(path).initializers["kernel"], MATRIX, **EXACT)


def test_files_that_are_cut_short_or_something_else_are_refused(tmp_path):
    whole = onnx_model({"kernel": MATRIX}, {})
    for name, content in {"cut": whole[:-100], "text": b"hello, this is no model\n", "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="no readable ONNX file|no ONNX model"):
            read_onnx(tmp_path / name)
    with pytest.raises(ValueError, match="no ONNX file at"):
        read_onnx(tmp_path / "absent")


def test_a_tensor_whose_size_is_not_its_shape_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    lying = tensor("kernel", MATRIX).replace(MATRIX.tobytes(), MATRIX.tobytes()[:-4] + b"")
    path.write_bytes(bytes_field(7, bytes_field(5, lying)))
    with pytest.raises(ValueError, match="no readable ONNX file"):
        read_onnx(path)
