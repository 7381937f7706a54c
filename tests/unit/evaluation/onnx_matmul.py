"""A network of one matrix as an ONNX file, so that tests need no exporter."""

import numpy as np

from tests.unit.models.onnx_bytes import FLOAT, bytes_field, integer_field, tensor


def onnx_matmul(weights: np.ndarray, input_shape: tuple[int, ...]) -> bytes:
    """A ModelProto: the input, flattened, times a matrix."""
    nodes = [_node("Flatten", ["x"], "flat"), _node("MatMul", ["flat", "weights"], "y")]
    graph = b"".join(bytes_field(1, node) for node in nodes) + bytes_field(2, b"matmul")
    graph += bytes_field(5, tensor("weights", weights))
    graph += bytes_field(11, _value("x", input_shape)) + bytes_field(12, _value("y", (1, weights.shape[1])))
    operators = bytes_field(1, b"") + integer_field(2, 13)
    return integer_field(1, 8) + bytes_field(7, graph) + bytes_field(8, operators)


def _node(operator: str, inputs: list[str], output: str) -> bytes:
    fields = b"".join(bytes_field(1, name.encode()) for name in inputs) + bytes_field(2, output.encode())
    return fields + bytes_field(3, output.encode()) + bytes_field(4, operator.encode())


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    """A ValueInfoProto of floats."""
    sizes = b"".join(bytes_field(1, integer_field(1, size)) for size in shape)
    tensor_type = integer_field(1, FLOAT) + bytes_field(2, sizes)
    return bytes_field(1, name.encode()) + bytes_field(2, bytes_field(1, tensor_type))
