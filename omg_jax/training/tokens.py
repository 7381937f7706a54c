"""The frozen backbone's tokens of source frames, computed when first asked for and kept in memory for a while."""

import collections
import threading
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from omg_jax.models.dinov2 import DinoV2
from omg_jax.models.resize import resize_image
from omg_jax.models.state import merge_model, split_model

Taps = tuple[Float[Array, "b t d"], ...]


def backbone_taps(backbone: DinoV2, size: int) -> Callable[[Float[Array, "b h w 3"]], Taps]:
    """A compiled function from photos on black to the backbone's taps at ``size`` pixels."""
    graphdef, weights, constants = split_model(backbone)

    @jax.jit
    def taps(weights: dict, images: Float[Array, "b h w 3"]) -> Taps:
        return merge_model(graphdef, weights, constants)(resize_image(images, (size, size)))

    return lambda images: taps(weights, images)


class TokenCache:
    """Least recently used frames leave first, when more than ``capacity_mb`` mebibytes are held.

    Tokens are rounded to float16 whether they are found or computed, and computed one frame at a time: a batch does not
    depend on what the cache holds. Safe to call from several threads.
    """

    def __init__(self, taps: Callable[[Float[Array, "b h w 3"]], Taps], capacity_mb: int):
        self._taps = taps
        self._capacity = capacity_mb * 2**20
        self._held: collections.OrderedDict[tuple[int, int, int], tuple[np.ndarray, ...]] = collections.OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def __call__(self, clip: int, frame: int, look: int, image: Float[np.ndarray, "h w 3"]) -> tuple[np.ndarray, ...]:
        """The taps of one look of a source frame, each [t, d] float32."""
        key = (clip, frame, look)
        with self._lock:
            tokens = self._held.get(key)
            if tokens is not None:
                self._held.move_to_end(key)
        if tokens is None:
            tokens = tuple(np.asarray(tap[0], np.float16) for tap in self._taps(jnp.asarray(image)[None]))
            self._keep(key, tokens)
        return tuple(tap.astype(np.float32) for tap in tokens)

    def _keep(self, key: tuple[int, int, int], tokens: tuple[np.ndarray, ...]) -> None:
        size = sum(tap.nbytes for tap in tokens)
        with self._lock:
            if key in self._held:
                return
            self._held[key] = tokens
            self._held_bytes += size
            while self._held_bytes > self._capacity:
                _, dropped = self._held.popitem(last=False)
                self._held_bytes -= sum(tap.nbytes for tap in dropped)
