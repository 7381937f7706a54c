"""One portrait photo to an animatable, multi-level-of-detail 3D Gaussian head avatar."""

__version__ = "0.1.0"
