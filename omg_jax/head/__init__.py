"""The 3D morphable head: parameters to vertices, FLAME files, the built-in ARKit head, landmarks."""

from omg_jax.head.flame import load_flame
from omg_jax.head.load import Head, load_head
from omg_jax.head.model import HeadModel, head_landmarks, head_vertices, zero_params

__all__ = ["Head", "HeadModel", "head_landmarks", "head_vertices", "load_flame", "load_head", "zero_params"]
