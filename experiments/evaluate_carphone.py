"""The small model on a real clip, reenacting itself: experiments/results/small_carphone.json.

    python experiments/evaluate_carphone.py [--weights FILE]

The clip is tracked; frame 0 is the photo, 50 frames spread over the rest are targets. The head's shape comes from frame
0 alone, pose and expression from each target. Pictures are cut out by the portrait matte, on black. Baselines: the
photo unchanged, and the photo warped by the mesh's motion ("mesh flow"); neither needs a network.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from evaluate_small import LEVELS, show
from PIL import Image
from record import write_result
from reenactment import Portrait, Ruler, head_mask, means, mesh_flow, network_pictures, project_photo
from rich.progress import track

from omg_jax.assets.registry import asset_path
from omg_jax.cli.network import load_network
from omg_jax.head.load import Head
from omg_jax.losses.perceptual_weights import load_perceptual
from omg_jax.tracking.crop import draw_portrait
from omg_jax.tracking.landmarks import FaceLandmarker
from omg_jax.tracking.matte import PortraitMatte
from omg_jax.tracking.solve import solution_motion, solve, spread
from omg_jax.tracking.video import video_frames
from omg_jax.training.tokens import backbone_taps


@dataclass
class Options:
    """What to evaluate."""

    weights: Path | None = None
    """Weights file of the small preset; by default the shipped one."""
    clip: str = "carphone"
    """Name of a clip in the assets registry."""
    targets: int = 50
    """Frames spread over the clip that are reenacted."""
    pictures: Path | None = None
    """Folder for pictures: target beside each method's. They show footage whose rights are not stated."""


def portrait_of(clip: str, head: Head, num_targets: int) -> Portrait:
    """Frame 0 and the targets, tracked with frame 0's shape, cut out on black."""
    frames = list(video_frames(asset_path(clip)))
    chosen = [0, *(1 + index for index in spread(len(frames) - 1, num_targets))]
    landmarker = FaceLandmarker()
    seen = {index: landmarker(frames[index]) for index in chosen}
    chosen = [index for index in chosen if seen[index] is not None]
    landmarks = [seen[index] for index in chosen]
    shape = solve(landmarks[:1], head).shape
    solution = solve(landmarks, head, shape=shape)
    motion = solution_motion(solution, head, 1.0, clip)
    matte = PortraitMatte()
    images = [draw_portrait(frames[index], solution.window) for index in chosen]
    mattes = np.stack([matte(image) for image in images]).astype(np.float32)
    images = np.stack(images).astype(np.float32) / 255.0 * mattes[..., None]
    return Portrait(images, mattes, *jax.tree.map(np.asarray, (motion.head_params, motion.camera)))


def main(options: Options) -> None:
    network = load_network("small", options.weights, "arkit")
    head = network.head.model
    portrait = portrait_of(options.clip, network.head, options.targets)
    tokens = backbone_taps(network.backbone, network.config.model.backbone_size)(jnp.asarray(portrait.images[:1]))
    played = network_pictures(network.model, tokens, portrait, LEVELS)
    ruler = Ruler(load_perceptual(asset_path("lpips-alexnet")))
    rows: dict[str, list] = {}
    for number in track(range(1, len(portrait.images)), description="evaluating"):
        pictures = {"repeat": portrait.images[0], "mesh flow": mesh_flow(head, portrait, number)}
        pictures["projection over the photo"] = project_photo(head, portrait, number, over_photo=True)
        pictures |= {f"trained, level {lod}": played[lod][number - 1] for lod in LEVELS}
        target, mask = portrait.images[number], head_mask(head, portrait, number)
        features = ruler.features(target)
        for name, picture in pictures.items():
            rows.setdefault(name, []).append(ruler(picture, target, mask, features))
        if options.pictures and number % 10 == 1:
            save_strip(options.pictures / f"{options.clip}_{number:03d}.png", [target, *pictures.values()])
    table = {name: means(measured) for name, measured in rows.items()}
    show(table)
    result = {
        "protocol": "512 x 512, matte on black; frame 0 is the photo, its shape serves all; SSIM Gaussian 11/1.5, "
        "valid; LPIPS alex; head and outside: inside and outside the target's head mesh",
        "clip": options.clip,
        "targets": len(portrait.images) - 1,
        "weights_sha256": network.weights_sha256,
        "methods": table,
    }
    write_result(f"small_{options.clip}", "python experiments/evaluate_carphone.py", result)


def save_strip(path: Path, pictures: list[np.ndarray]) -> None:
    """Pictures side by side, at half size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    strip = np.concatenate([np.clip(picture, 0.0, 1.0)[::2, ::2] for picture in pictures], axis=1)
    Image.fromarray((strip * 255.0 + 0.5).astype(np.uint8)).save(path)


if __name__ == "__main__":
    main(tyro.cli(Options))
