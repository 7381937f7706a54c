"""Who a face is, as numbers: embeddings of aligned faces by a recognition network, for CSIM.

The network is SFace (Zhong et al. 2021), an asset, or an ArcFace (Deng et al. 2019) that a user gives as an ONNX file.
Both look at faces of 112 x 112 whose eyes, nose and mouth corners lie where ArcFace's training put them.
"""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from omg_jax.assets.registry import asset_path, file_sha256
from omg_jax.tracking.crops import SquareCrop, sample_crop
from omg_jax.tracking.face_mesh import LEFT_IRIS, RIGHT_IRIS

FACE_SIZE = 112
# The subject's right eye, left eye, nose tip, right and left corner of the mouth, in the 478 points ...
FIVE_POINTS = (RIGHT_IRIS[0], LEFT_IRIS[0], 1, 61, 291)
# ... and in an aligned face (InsightFace's reference points), in pixels from the centre of the first one.
ALIGNED_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


class FaceIdentity:
    """Embeds faces; OpenCV runs the network. back_end says which one it is.

    input_name: of the network's input, "" where it has one alone. The network sees RGB less mean, over scale.
    ValueError where the file is missing or OpenCV cannot read it.
    """

    def __init__(self, path: Path, title: str, input_name: str = "", mean: float = 0.0, scale: float = 1.0):
        if not path.is_file():
            raise ValueError(f"no {title} network at {path}; give the path of an ONNX file")
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise ValueError(f"OpenCV {cv2.__version__} cannot read {path} as an ONNX file ({error.err})") from error
        self._input_name, self._mean, self._scale = input_name, mean, scale
        self.back_end = f"{title} by OpenCV's dnn, weights of sha256 {file_sha256(path)}"

    def __call__(self, picture: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "478 d"]) -> np.ndarray:
        """Embedding of the face whose landmarks (pixels) are given, of any length."""
        face = sample_crop(picture, align_face(points[list(FIVE_POINTS), :2]), FACE_SIZE)
        return self.embed(face)

    def embed(self, face: UInt8[np.ndarray, "112 112 3"]) -> Float[np.ndarray, " d"]:
        """Embedding of an aligned face."""
        pixels = (face.astype(np.float32) - self._mean) / self._scale
        self._net.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]), self._input_name)
        return self._net.forward().ravel().astype(np.float32)


def sface() -> FaceIdentity:
    """SFace, 128 numbers, of RGB in [0, 255]. Cosines: 0.69 to 0.91 between photos of one person, at most 0.3 else."""
    return FaceIdentity(asset_path("sface"), "SFace", input_name="data")


def arcface(path: Path | str) -> FaceIdentity:
    """The user's ArcFace, of RGB in [-1, 1] as InsightFace trains them."""
    return FaceIdentity(Path(path), "ArcFace", mean=127.5, scale=127.5)


def align_face(points: Float[np.ndarray, "5 2"]) -> SquareCrop:
    """The window in which five points, in pixels of the picture, lie nearest to ALIGNED_POINTS.

    It turns, scales and shifts, and leaves the least squared distance in the aligned face (Umeyama 1991).
    """
    # A similarity of the plane is a multiplication and an addition of complex numbers: aligned = turn picture + shift.
    picture, aligned = (x @ np.array([1.0, 1.0j]) for x in (points, ALIGNED_POINTS + 0.5))
    around, wanted = picture - picture.mean(), aligned - aligned.mean()
    turn = np.vdot(around, wanted) / np.vdot(around, around).real
    centre = picture.mean() + (complex(FACE_SIZE / 2, FACE_SIZE / 2) - aligned.mean()) / turn
    return SquareCrop((centre.real, centre.imag), FACE_SIZE / abs(turn), float(-np.angle(turn)))
