"""How fast training pairs are loaded: experiments/results/loading.json.

    python experiments/bench_loading.py [--data FOLDER]

Process-CPU seconds, of all threads, give pairs a second per core, also on a machine that others use; seconds on the
clock with two threads are told too. A pair is two frames of 512 x 512 pixels with their mattes:

- raw: the records read, pictures left as they are
- decoded: pictures and mattes as pixels
- batch: what a training step is given (batch of 8, float32, mattes applied, target window of 256), without tokens
- augmented: the same where every pair is augmented as the small preset has it
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro
from record import write_result
from rich.console import Console
from scipy.ndimage import zoom

from omg_jax.config import AugmentConfig
from omg_jax.data.augment import Augmentation, make_augmentation
from omg_jax.data.builders import build_dataset
from omg_jax.data.clips import Clip, save_clip, write_index
from omg_jax.data.frame_source import FrameSource, open_frames
from omg_jax.data.pairs import load_batch, pair_at, prefetched
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.types import Camera, HeadParams, PairBatch

SIZE, WINDOW, BATCH = 512, 256, 8


@dataclass
class Options:
    """What to measure."""

    data: Path | None = None
    """Folder of clips of 512 x 512 pixels, with index.json; none: pictures of noise of as many bytes as portraits."""
    pairs: int = 160
    """Pairs per measurement."""
    repeats: int = 3
    """Runs per measurement; the fastest counts."""


def noise_clips(root: Path, num_clips: int = 8, num_frames: int = 25) -> None:
    """Clips whose JPEG files have about 100 KB, as those of portraits have, with an ellipse as matte."""
    head, rng = load_head("arkit"), np.random.default_rng(0)
    params = zero_params(head.model, (num_frames,))
    pose = np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32)
    pose[2, 3] = 10.5
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    matte = np.clip(20 * (1 - (rows / 0.6) ** 2 - (columns / 0.4) ** 2), 0, 1)
    for number in range(num_clips):
        images = []
        for _ in range(num_frames):
            coarse = zoom(rng.uniform(40, 220, (16, 16, 3)), (SIZE / 16, SIZE / 16, 1), order=1)
            fine = rng.normal(0.0, 7.0, (SIZE, SIZE, 1))
            images.append(((coarse + fine).clip(0, 255) * matte[..., None]).astype(np.uint8))
        clip = Clip(
            images=np.stack(images),
            mattes=np.repeat((255 * matte).astype(np.uint8)[None], num_frames, axis=0),
            head_params=HeadParams(*(np.asarray(field) for field in params)),
            camera=Camera(
                np.tile(pose, (num_frames, 1, 1)), np.tile(portrait_intrinsics((SIZE, SIZE)), (num_frames, 1, 1))
            ),
        )
        save_clip(root / f"clip_{number:03d}", clip)
    write_index(root, head.name, head.sha256)


def rate(run: Callable[[], None], pairs: int, repeats: int, clock: Callable[[], float]) -> float:
    """Pairs a second of the fastest of some runs, after one that opens files."""
    run()
    spent = []
    for _ in range(repeats):
        start = clock()
        run()
        spent.append(clock() - start)
    return pairs / min(spent)


def no_tokens(clip: int, frame: int, look: int, image: np.ndarray) -> tuple[np.ndarray, ...]:
    """The frozen backbone's work is not measured here."""
    return ()


def measure(source: FrameSource, options: Options) -> dict[str, float]:
    """Pairs a second of one source."""
    pairs = [pair_at(source, 0, sample) for sample in range(options.pairs)]
    steps = options.pairs // BATCH

    def decoded() -> None:
        for pair in pairs:
            source.frames(pair.clip, (pair.source, pair.target))

    def batches(threads: int, changes: Augmentation | None = None) -> None:
        def load(step: int) -> PairBatch:
            return load_batch(source, 0, step, BATCH, WINDOW, no_tokens, augmentation=changes)

        for _ in prefetched(load, 0, steps, threads):
            pass

    augmentation = make_augmentation(AugmentConfig(share=1.0), load_head("arkit"))
    per_core = dict(repeats=options.repeats, clock=time.process_time)
    found = {
        "decoded_per_core": rate(decoded, len(pairs), **per_core),
        "batch_per_core": rate(lambda: batches(0), steps * BATCH, **per_core),
        "augmented_per_core": rate(lambda: batches(0, augmentation), steps * BATCH, **per_core),
        "batch_two_threads": rate(lambda: batches(2), steps * BATCH, options.repeats, time.perf_counter),
        "augmented_two_threads": rate(
            lambda: batches(2, augmentation), steps * BATCH, options.repeats, time.perf_counter
        ),
    }
    if hasattr(source, "record"):

        def raw() -> None:
            for pair in pairs:
                source.record(pair.clip, pair.source)
                source.record(pair.clip, pair.target)

        found = {"raw_per_core": rate(raw, len(pairs), **per_core), **found}
    return found


def main(options: Options) -> None:
    """Measures the folder of clips, and the dataset built of it."""
    jnp.zeros(1).block_until_ready()  # JAX starts before the clock does
    with tempfile.TemporaryDirectory() as temporary:
        clips = options.data or Path(temporary) / "clips"
        if options.data is None:
            noise_clips(clips)
        start = time.perf_counter()
        built = build_dataset("portraits", clips, Path(temporary) / "data")
        seconds = time.perf_counter() - start
        sizes = [path.stat().st_size for path in clips.glob("*/image_*.jpg")]
        result = {
            "pairs_per_second": {
                "dataset": measure(open_frames(built.folder), options),
                "folder_of_clips": measure(open_frames(clips), options),
            },
            "jpeg_kilobytes": np.mean(sizes) / 1000,
            "built_frames_per_second": sum(built.num_frames.values()) / seconds,
        }
    command = "python experiments/bench_loading.py" + (" --data FOLDER" if options.data else "")
    Console().print(write_result("loading", command, result))


if __name__ == "__main__":
    main(tyro.cli(Options))
