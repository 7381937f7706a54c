"""Runs SFace by onnxruntime: the reference of test_sface_matches_onnxruntime.py."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from layer_inputs import faces

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))

from omg_jax.assets.registry import asset_path  # noqa: E402


def main() -> None:
    model = onnx.load(asset_path("sface"))
    # The file lists its weights among the inputs, where onnxruntime would ask for them.
    inputs = [each for each in model.graph.input if each.name == "data"]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    embeddings = [session.run(None, {"data": np.float32(face).transpose(2, 0, 1)[None]})[0][0] for face in faces()]
    versions = f"onnxruntime {version('onnxruntime')}, onnx {version('onnx')}, numpy {version('numpy')}"
    np.savez(FOLDER / "sface_onnxruntime.npz", embeddings=np.float32(embeddings), versions=versions)


if __name__ == "__main__":
    main()
