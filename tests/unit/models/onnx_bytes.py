"""Writes just enough of the ONNX format, so that tests need no exporter."""

import numpy as np

FLOAT, INT64 = 1, 7


def varint(value: int) -> bytes:
    digits = []
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def integer_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name: str, array: np.ndarray, packed_dims: bool = False) -> bytes:
    """A TensorProto with raw data."""
    dims = (
        bytes_field(1, b"".join(map(varint, array.shape)))
        if packed_dims
        else b"".join(integer_field(1, size) for size in array.shape)
    )
    data_type = INT64 if array.dtype == np.int64 else FLOAT
    data = np.ascontiguousarray(array).tobytes()
    return dims + integer_field(2, data_type) + bytes_field(8, name.encode()) + bytes_field(9, data)


def node(name: str, inputs: list[str]) -> bytes:
    """A NodeProto with one output and an operator."""
    fields = b"".join(bytes_field(1, text.encode()) for text in inputs)
    return fields + bytes_field(2, b"out") + bytes_field(3, name.encode()) + bytes_field(4, b"MatMul")


def onnx_model(tensors: dict[str, np.ndarray], nodes: dict[str, list[str]]) -> bytes:
    """A ModelProto: a version, a producer, then the graph."""
    graph = b"".join(bytes_field(1, node(*item)) for item in nodes.items())
    graph += b"".join(bytes_field(5, tensor(*item)) for item in tensors.items())
    return integer_field(1, 8) + bytes_field(2, b"a test") + bytes_field(7, graph)
