"""Reads the stored arrays of an ONNX file, without the onnx package: a small reader of protobuf's wire format.

Only what a network's weights need: the graph's float initializers by name, and which node uses which of them.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Field numbers of the messages in onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_NAME = 1, 3
_TENSOR_DIMS, _TENSOR_DATA_TYPE, _TENSOR_FLOAT_DATA, _TENSOR_NAME, _TENSOR_RAW_DATA = 1, 2, 4, 8, 9
_FLOAT32 = 1

# Wire types of protobuf.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


class OnnxGraph(NamedTuple):
    """A graph's float32 initializers by name (views of the file's bytes), and each node's inputs by its name."""

    initializers: dict[str, np.ndarray]
    node_inputs: dict[str, list[str]]


def read_onnx(path: Path | str) -> OnnxGraph:
    """Reads a file's initializers and nodes.

    Raises:
        ValueError: the file is missing, damaged or cut short, or is no ONNX model.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no ONNX file at {path}")
    try:
        for number, graph in _fields(memoryview(path.read_bytes())):
            if number == _MODEL_GRAPH:
                return _read_graph(graph)
    except (IndexError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is no readable ONNX file ({error}); is it complete?") from error
    raise ValueError(f"{path} is no ONNX model: it holds no graph")


def _read_graph(message: memoryview) -> OnnxGraph:
    initializers, node_inputs = {}, {}
    for number, value in _fields(message):
        if number == _GRAPH_INITIALIZER:
            name, array = _read_tensor(value)
            if array is not None:
                initializers[name] = array
        elif number == _GRAPH_NODE:
            fields = list(_fields(value))
            name = next((bytes(text).decode() for field, text in fields if field == _NODE_NAME), "")
            node_inputs[name] = [bytes(text).decode() for field, text in fields if field == _NODE_INPUT]
    return OnnxGraph(initializers, node_inputs)


def _read_tensor(message: memoryview) -> tuple[str, np.ndarray | None]:
    """A tensor's name and array; None for other types than float32."""
    dims, data_type, name, data = [], None, "", memoryview(b"")
    for number, value in _fields(message):
        if number == _TENSOR_DIMS:
            dims += list(_varints(value)) if isinstance(value, memoryview) else [value]
        elif number == _TENSOR_DATA_TYPE:
            data_type = value
        elif number == _TENSOR_NAME:
            name = bytes(value).decode()
        elif number in (_TENSOR_RAW_DATA, _TENSOR_FLOAT_DATA):
            data = value  # packed floats and raw data are the same little-endian bytes
    if data_type != _FLOAT32:
        return name, None
    if len(data) != 4 * math.prod(dims):
        raise ValueError(f"tensor {name} has {len(data)} bytes for shape {dims}")
    return name, np.frombuffer(data, "<f4").reshape(dims)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message in order: (number, integer or bytes)."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(message, position)
        elif wire == _BYTES or wire in _FIXED_SIZES:
            length = _FIXED_SIZES.get(wire)
            if length is None:
                length, position = _varint(message, position)
            value = message[position : position + length]
            position += length
            if position > len(message):
                raise ValueError("it ends inside a field")
        else:
            raise ValueError(f"it has a field of unknown wire type {wire}")
        yield key >> 3, value


def _varints(message: memoryview) -> Iterator[int]:
    position = 0
    while position < len(message):
        value, position = _varint(message, position)
        yield value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The integer at a position, seven bits a byte, lowest first, and the position after it."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
