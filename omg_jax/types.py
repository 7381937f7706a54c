"""The vocabulary of the package: containers of arrays that every module shares.

World unit: 5 x metre. Cameras are OpenCV cameras: x right, y down, z forward, and the centre of pixel (0, 0) is at
(0.5, 0.5). Every container may carry leading batch dimensions; they are written ``*b``.
"""

from typing import NamedTuple

from jaxtyping import Array, Float, Int


class Camera(NamedTuple):
    """A pinhole camera.

    world_to_camera acts on column vectors: ``x_camera = R @ x_world + t``. intrinsics is
    ``[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]`` in pixels of the image that the camera is used with.
    """

    world_to_camera: Float[Array, "*b 4 4"]
    intrinsics: Float[Array, "*b 3 3"]


class Gaussians(NamedTuple):
    """Anisotropic 3D Gaussians, every attribute after its activation.

    means in world units; quats (w, x, y, z), of unit length; scales are standard deviations in world units; opacities
    in [0, 1]; features are blended as they are (the first three channels are the coarse RGB colour, in [0, 1]).
    """

    means: Float[Array, "*b n 3"]
    quats: Float[Array, "*b n 4"]
    scales: Float[Array, "*b n 3"]
    opacities: Float[Array, "*b n"]
    features: Float[Array, "*b n c"]


class HeadGaussians(NamedTuple):
    """The attributes of the Gaussians that sit on the vertices of one level: row i belongs to vertex i.

    Units and ranges as in Gaussians. There are no means: a motion frame's vertices are the means.
    """

    quats: Float[Array, "*b n 4"]
    scales: Float[Array, "*b n 3"]
    opacities: Float[Array, "*b n"]
    features: Float[Array, "*b n c"]


class HeadParams(NamedTuple):
    """Parameters of a 3D morphable head. Rotations are axis-angle vectors in radians, translation is in world units.

    eye_pose holds the left eye's rotation, then the right eye's ("left" is the subject's left).
    """

    shape_params: Float[Array, "*b s"]
    expression_params: Float[Array, "*b e"]
    global_rotation: Float[Array, "*b 3"]
    neck_pose: Float[Array, "*b 3"]
    jaw_pose: Float[Array, "*b 3"]
    eye_pose: Float[Array, "*b 6"]
    translation: Float[Array, "*b 3"]


class Torso(NamedTuple):
    """How the torso of a tracked person stands in a frame, which the head does not tell.

    motion: the rigid motion in the camera's space that brought it there from where it was in a frame of reference;
    reference: that frame's world_to_camera, in which the world is the head.
    """

    motion: Float[Array, "*b 4 4"]
    reference: Float[Array, "*b 4 4"]


class RenderStats(NamedTuple):
    """What a rasterization did with its Gaussians, per image.

    num_visible: Gaussians that touch at least one tile; num_instances: (Gaussian, tile) pairs; num_overflowed: pairs
    dropped beyond a fixed capacity (our kernels have none: always 0); num_not_finite: Gaussians culled because a number
    that they, or their camera, are made of is infinite or not a number.
    """

    num_visible: Int[Array, "*b"]
    num_instances: Int[Array, "*b"]
    num_overflowed: Int[Array, "*b"]
    num_not_finite: Int[Array, "*b"]


class RenderOutput(NamedTuple):
    """A rendered picture: blended features, alpha in [0, 1], depth = sum of weight x camera z (not over alpha)."""

    features: Float[Array, "*b h w c"]
    alpha: Float[Array, "*b h w"]
    depth: Float[Array, "*b h w"]
    stats: RenderStats


class PairBatch(NamedTuple):
    """A training batch: a source frame and a driving frame of the same clip; the driving frame is the target.

    Images are on a black background (multiplied by their matte). The source is a whole square portrait; the target may
    be a window of one, with target_camera cropped to it. source_tokens are the frozen backbone's taps of the source.
    """

    source_image: Float[Array, "b h w 3"]
    source_matte: Float[Array, "b h w"]
    source_tokens: tuple[Float[Array, "b t d"], ...]
    source_params: HeadParams
    source_camera: Camera
    target_image: Float[Array, "b i j 3"]
    target_matte: Float[Array, "b i j"]
    target_params: HeadParams
    target_camera: Camera


class PairOutput(NamedTuple):
    """What the model makes of a PairBatch: the first three splatted channels, the refined picture, and the rest."""

    coarse: Float[Array, "b i j 3"]
    refined: Float[Array, "b i j 3"]
    alpha: Float[Array, "b i j"]
    depth: Float[Array, "b i j"]
    vertex_offsets: Float[Array, "b v 3"]
