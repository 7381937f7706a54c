"""SFace, which OpenCV runs, against onnxruntime."""

from pathlib import Path

import numpy as np

from omg_jax.evaluation.identity import sface
from omg_jax.evaluation.measures import csim
from tests.parity.layer_inputs import faces
from tests.tolerances import SFACE_PARITY

REFERENCE = np.load(Path(__file__).parent / "sface_onnxruntime.npz")["embeddings"]


def test_embeddings_and_their_cosines():
    network = sface()
    ours = [network.embed(face) for face in faces()]
    np.testing.assert_allclose(ours, REFERENCE, **SFACE_PARITY)
    np.testing.assert_allclose(csim(*ours), csim(*REFERENCE), **SFACE_PARITY)
