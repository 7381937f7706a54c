"""What the training tests share: a dataset of smooth clips, and a job around a network that takes milliseconds."""

import dataclasses
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from omg_jax.config import CurriculumConfig, LossConfig, TrainConfig
from omg_jax.configs import load_preset
from omg_jax.data.clips import Clip, save_clip, write_index
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.models.resize import resize_image
from omg_jax.training import loop
from omg_jax.training.job import SILENT, Job
from omg_jax.types import Camera, HeadParams
from tests.unit.losses.networks import ALEXNET_STAGES, small_network
from tests.unit.training.painter import Painter

SIZE = 128


def smooth_clip(seed: int, num_frames: int) -> Clip:
    """A ball in a colour of its own, somewhere in each picture."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centres = rng.uniform(0.4, 0.6, (num_frames, 2)) * SIZE
    distance = np.hypot(rows - centres[:, :1, None], columns - centres[:, 1:, None])
    mattes = (np.clip(SIZE / 3 - distance, 0.0, 1.0) * 255).astype(np.uint8)
    zeros = np.zeros((num_frames, 3), np.float32)
    params = HeadParams(zeros, zeros, zeros, zeros, zeros, np.zeros((num_frames, 6), np.float32), zeros)
    world_to_camera = np.tile(np.diag([1.0, -1.0, -1.0, 1.0]).astype(np.float32), (num_frames, 1, 1))
    world_to_camera[:, 2, 3] = 9.0
    camera = Camera(world_to_camera, np.tile(portrait_intrinsics((SIZE, SIZE)), (num_frames, 1, 1)))
    images = (mattes[..., None] * rng.uniform(0.2, 0.9, 3)).astype(np.uint8)
    return Clip(images, mattes, params, camera)


@pytest.fixture(scope="package", autouse=True)
def compile_once(tmp_path_factory):
    """Programs compiled by one test serve the next: most of these tests train the same network in several runs."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    for name, value in zip(names, (str(tmp_path_factory.mktemp("compiled")), 0.1), strict=True):
        jax.config.update(name, value)
    yield
    for name, value in zip(names, before, strict=True):
        jax.config.update(name, value)


@pytest.fixture(scope="session")
def head():
    return load_head("arkit")


@pytest.fixture(scope="session")
def smooth_index(tmp_path_factory, head):
    root = tmp_path_factory.mktemp("smooth")
    for seed in range(3):
        save_clip(root / f"clip_{seed}", smooth_clip(seed, 3))
    return write_index(root, head.name, head.sha256)


def pooled_taps(images):
    """Stands in for the frozen backbone: the picture's mean colours on a grid, four times."""
    pooled = resize_image(images, (4, 4)).reshape(images.shape[0], 16, 3)
    return tuple(jnp.pad(pooled, ((0, 0), (0, 0), (i, 3 - i))) for i in range(4))


def painters_job(index, head, output: str, **changes) -> Job:
    """Twelve steps; the loop's model must be the painter."""
    options = TrainConfig(
        output=output,
        num_steps=12,
        batch_size=2,
        window=64,
        learning_rate=0.05,
        adam_b1=0.9,
        checkpoint_every=4,
        picture_every=100,
        log_every=2,
        curriculum=CurriculumConfig(level_0_until=0.25, level_1_until=0.5, random_shares=(0.5, 0.5, 0.0)),
        losses=LossConfig(perceptual_max_tap=1, perceptual_size=32),
    )
    config = dataclasses.replace(load_preset("tiny"), train=dataclasses.replace(options, **changes))
    return Job(config, index, head, pooled_taps, small_network(ALEXNET_STAGES))


@pytest.fixture
def job(tmp_path, monkeypatch, smooth_index, head):
    """Twelve steps of the painter."""
    monkeypatch.setattr(loop, "build_model", lambda config, head, seed, dtype: Painter(16, 6, rngs=nnx.Rngs(seed)))
    return painters_job(smooth_index, head, str(tmp_path / "run"))


def with_options(job: Job, **changes) -> Job:
    """The job with other training options."""
    options = dataclasses.replace(job.config.train, **changes)
    return job._replace(config=dataclasses.replace(job.config, train=options))


def stopping_at(step: int, number: signal.Signals):
    """A listener that sends this process a signal after a step."""

    def on_step(done: int) -> None:
        if done == step:
            os.kill(os.getpid(), number)

    return SILENT._replace(on_step=on_step)
