"""Painted eyes: iris in any colour with a dark rim, a sclera that is not white, and the cornea's bulge."""

import numpy as np
from jaxtyping import Float, Int

from omg_jax.data.portraits.textures import GAMMA, LEVELS, Texture, luminance, to_bytes, to_linear

# Both irises in the eye texture: centres (x, y) and radius over the texture's side.
IRIS_CENTRES = ((0.708, 0.291), (0.291, 0.708))
IRIS_RADIUS = 0.117
# The cornea covers this angle about the axis (radians) and bulges: its normals turn this much faster than the globe's.
CORNEA_ANGLE = 0.62
CORNEA_BULGE = 0.9


def paint_eyes(texture: Texture, iris: tuple[float, float, float], sclera: float) -> Texture:
    """The texture of a grey eye with an iris colour (linear) and a brightness of the sclera."""
    size = texture.shape[0]
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    radius = np.minimum(*(
        np.hypot(columns + 0.5 - x * size, rows + 0.5 - y * size) / (IRIS_RADIUS * size) for x, y in IRIS_CENTRES
    ))  # fmt: skip
    inside = np.clip((1.0 - radius) * 10.0 + 0.5, 0.0, 1.0)[..., None]
    bright = luminance(texture)
    mean = float(bright[(radius < 0.9) & (radius > 0.45)].mean()) / 255.0
    level = ((LEVELS / mean) ** (1.1 * GAMMA))[bright]
    rim = 1.0 - 0.75 * np.exp(-(((radius - 0.97) / 0.13) ** 2))
    # Light that enters from above makes the lower iris glow; a little variation between rings.
    painted = np.minimum(level * rim, 2.5)[..., None] * np.array(iris, np.float32)
    white = sclera * to_linear(texture[..., :3]) ** np.array([0.9, 0.92, 0.94], np.float32)
    result = texture.copy()
    result[..., :3] = to_bytes(white + inside * (painted - white))
    return result


def bulged(
    normals: Float[np.ndarray, "v 3"], rows: Int[np.ndarray, "n"], gaze: Float[np.ndarray, "3"]
) -> None:
    """Turns an eyeball's normals, in place, near the axis as the cornea's: it catches lights from wider around."""
    mine = normals[rows]
    cosine = np.clip(mine @ gaze, -1.0, 1.0)
    near = np.clip(1.0 - np.arccos(cosine) / CORNEA_ANGLE, 0.0, 1.0)
    share = CORNEA_BULGE * np.clip(3.0 * near, 0.0, 1.0)[:, None]
    turned = mine + share * (mine - gaze * cosine[:, None])
    normals[rows] = turned / (np.linalg.norm(turned, axis=1, keepdims=True) + 1e-12)
