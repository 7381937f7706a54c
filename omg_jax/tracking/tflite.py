"""Runs .tflite models on the CPU."""

import contextlib
import os
from collections.abc import Iterator

import numpy as np


class TfliteModel:
    """One .tflite model with one input: call it with that input, get its outputs by name.

    Not safe to share between threads: the interpreter holds the input and output buffers.
    """

    def __init__(self, content: bytes):
        # Imported on use: it is an optional dependency of the package.
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(
                "tracking needs ai-edge-litert and opencv; install them with pip install 'omg_jax[tracking]'"
            ) from error
        with _native_stderr_closed():
            self._interpreter = Interpreter(model_content=content)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()

    def __call__(self, value: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the model. value must have the input's shape; it is cast to the input's type."""
        self._interpreter.set_tensor(self._input["index"], value.astype(self._input["dtype"], copy=False))
        self._interpreter.invoke()
        return {output["name"]: self._interpreter.get_tensor(output["index"]) for output in self._outputs}


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Drops what native code writes to stderr: the runtime announces its delegate there, and has no switch for it.

    Errors are not lost, they come as exceptions.
    """
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
