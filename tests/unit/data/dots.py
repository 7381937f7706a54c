"""Pictures with dots at known places, and where dots are found in a picture."""

import jax.numpy as jnp
import numpy as np

from omg_jax.geometry.camera import portrait_intrinsics, world_to_pixels
from omg_jax.types import Camera

RADIUS = 6  # pixels around a dot that hold all of it


def portrait_camera(size: int, turn: np.ndarray) -> Camera:
    """A camera ten units before a head that is turned by a rotation matrix."""
    pose = np.eye(4, dtype=np.float32)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn
    pose[:3, 3] = [0.05, -0.03, 10.0]
    return Camera(pose, np.array(portrait_intrinsics((size, size))))


def pixels_of(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Where points are in the camera's picture."""
    return np.asarray(world_to_pixels(Camera(*map(jnp.asarray, camera)), jnp.asarray(points))[0])


def apart(pixels: np.ndarray, size: int, margin: float) -> np.ndarray:
    """Indices of places well inside a picture, of which no two are near each other."""
    chosen: list[int] = []
    for index, place in enumerate(pixels):
        inside = np.all((place > margin) & (place < size - margin))
        if inside and all(np.linalg.norm(place - pixels[other]) > 3 * RADIUS for other in chosen):
            chosen.append(index)
    return np.array(chosen)


def dotted(pixels: np.ndarray, size: int) -> np.ndarray:
    """A black picture with a white dot at each place."""
    rows, columns = np.mgrid[:size, :size] + 0.5
    picture = np.zeros((size, size))
    for x, y in pixels:
        picture += np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2))
    return np.repeat((255 * picture.clip(0, 1)).round().astype(np.uint8)[..., None], 3, axis=-1)


def found_near(image: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the places whose surroundings lie within the picture, and the centroid of what is bright there."""
    size, indices, centres = image.shape[0], [], []
    grey = image.mean(axis=-1)
    for index, (x, y) in enumerate(pixels):
        left, top = int(x) - RADIUS, int(y) - RADIUS
        if min(left, top) < 0 or max(left, top) + 2 * RADIUS + 1 > size:
            continue
        part = grey[top : top + 2 * RADIUS + 1, left : left + 2 * RADIUS + 1]
        rows, columns = np.mgrid[: 2 * RADIUS + 1, : 2 * RADIUS + 1] + 0.5
        indices.append(index)
        centres.append([left + (part * columns).sum() / part.sum(), top + (part * rows).sum() / part.sum()])
    return np.array(indices), np.array(centres)
