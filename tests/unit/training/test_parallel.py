"""Data-parallel drivers: on four devices, and on two processes with two devices each, training is what one device does.

Under plain gradient descent: Adam and clipping would hide a gradient that is too large by a factor.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from omg_jax.data.pairs import load_batch
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.models.state import split_model
from omg_jax.splat.api import rasterize
from omg_jax.training import state as training_state
from omg_jax.training.loop import compiled_steps, train
from omg_jax.training.parallel import make_deterministic, make_driver, num_devices
from omg_jax.training.state import init_state
from omg_jax.training.step import Frozen
from omg_jax.training.tokens import TokenCache
from omg_jax.types import Camera, Gaussians
from tests.tolerances import PARALLEL_TRAINING
from tests.unit.training.conftest import pooled_taps, stopping_at, with_options
from tests.unit.training.painter import Painter

STEPS = 20


@pytest.fixture(autouse=True)
def gradient_descent(monkeypatch):
    monkeypatch.setattr(training_state, "_optimizer", lambda config: optax.identity())


def trained(job, **options):
    """The params after some steps of a batch of eight, and the last metrics as one vector (1 - SSIM alone, a small
    difference of numbers of order one, keeps fewer digits than its share of the loss)."""
    job = with_options(job, batch_size=8, learning_rate=1e-2, **options)
    graphdef, params, constants = split_model(Painter(16, 6, rngs=nnx.Rngs(0)))
    driver, cache = make_driver(job.config.train), TokenCache(pooled_taps, 16)
    frozen = driver.replicate(Frozen(constants, job.perceptual))
    state = driver.replicate(init_state(params, job.config.train))
    batches = [driver.place(load_batch(job.index, 0, step, 8, 64, cache)) for step in range(STEPS)]
    steps = compiled_steps(job.config, graphdef, driver, 0, (state, batches[0], frozen))
    for step, batch in enumerate(batches):
        state, metrics = steps[step % 2](state, batch, frozen)
    params, metrics = driver.collect((state.params, metrics))
    return params, np.stack(jax.tree.leaves(metrics))


def assert_same_training(ours, expected):
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        assert np.linalg.norm(one - other) <= PARALLEL_TRAINING * np.linalg.norm(other)


@pytest.fixture
def alone(job):
    return trained(job, parallel="single")


@pytest.mark.parametrize("parallel", ["pmap", "shard_map"])
def test_four_devices_train_like_one(job, alone, parallel):
    assert_same_training(trained(job, parallel=parallel, num_devices=4), alone)


@pytest.mark.parametrize("parallel", ["single", "pmap"])
def test_accumulated_parts_train_like_the_whole_batch(job, alone, parallel):
    devices = 2 if parallel == "pmap" else 0
    assert_same_training(trained(job, parallel=parallel, accumulate=2, num_devices=devices), alone)


@pytest.mark.parametrize("parallel", ["pmap", "shard_map"])
def test_devices_draw_their_own_pictures_alone(job, parallel):
    """The compiler knows nothing of the rasterizer: where it may, it gathers the whole batch for it on every device."""
    driver = make_driver(with_options(job, batch_size=4, parallel=parallel, num_devices=4).config.train)
    camera = Camera(jnp.eye(4).at[2, 3].set(5.0), portrait_intrinsics((16, 16)))

    def make_step(axis):
        def step(opacities, means, _):
            def brightness(opacities):
                quats, ones = jnp.zeros((*means.shape[:2], 4)).at[..., 0].set(1.0), jnp.ones_like(means)
                opacities = jnp.broadcast_to(opacities, means.shape[:2])
                return rasterize(Gaussians(means, quats, 0.1 * ones, opacities, ones), camera, (16, 16)).features.mean()

            return opacities - jax.lax.pmean(jax.grad(brightness)(opacities), axis), {}

        return step

    state, means = driver.replicate(jnp.full(8, 0.5)), driver.place(np.zeros((4, 8, 3), np.float32))
    program = driver.compile(make_step, (state, means, driver.replicate(jnp.zeros(1)))).as_text()
    assert "all-reduce" in program and "all-gather" not in program
    assert "f32[1,16,16,3]" in program and "f32[4,16,16,3]" not in program


def test_a_batch_uses_as_many_devices_as_share_it_evenly(job, monkeypatch):
    assert num_devices(with_options(job, batch_size=8).config.train) == 1, "cores are one device"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    counts = {size: num_devices(with_options(job, batch_size=size).config.train) for size in (1, 2, 6, 8)}
    assert counts == {1: 1, 2: 2, 6: 3, 8: 4}
    assert num_devices(with_options(job, batch_size=8, accumulate=4).config.train) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(batch_size=6, num_devices=4), "batch_size: expected a multiple of 4 devices x 1 accumulated parts"),
        (dict(batch_size=8, num_devices=5), "num_devices: expected 1 to 4, what JAX finds here, got 5"),
        (dict(batch_size=8, accumulate=3), "accumulate: expected a divisor of the batch of 8, got 3"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(job, options, message):
    with pytest.raises(ValueError, match=message):
        train(with_options(job, **options))


def test_determinism_is_asked_for_beside_the_flags_that_are_there(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    make_deterministic()
    assert os.environ["XLA_FLAGS"].split() == ["--xla_dump_to=/nowhere", "--xla_gpu_deterministic_ops=true"]


def test_a_checkpoint_goes_from_one_driver_to_another(job):
    """Half of a run on one device, the rest on four."""
    job = with_options(job, batch_size=4)
    alone = train(with_options(job, parallel="single", output=job.config.train.output + "_alone"))
    half = train(with_options(job, parallel="single"), stopping_at(6, signal.SIGTERM))
    assert int(half.state.step) == 6
    assert_same_training(train(with_options(job, parallel="pmap", num_devices=4)).state.params, alone.state.params)


SCRIPT = """
import signal
import sys
import jax
import optax
from flax import nnx

process, parallel, port, root, output, stopped_at = int(sys.argv[1]), *sys.argv[2:]
jax.config.update("jax_platforms", "cpu")
from omg_jax.config import DistributedConfig
from omg_jax.training.parallel import start_processes

start_processes(DistributedConfig(coordinator=f"127.0.0.1:{port}", num_processes=2, process_id=process))
assert jax.process_count() == 2 and jax.device_count() == 4

from pathlib import Path
from omg_jax.data.clips import load_index
from omg_jax.head.load import load_head
from omg_jax.training import job as jobs
from omg_jax.training import loop, state
from tests.unit.losses.networks import ALEXNET_STAGES, small_network
from tests.unit.training.conftest import painters_job, stopping_at
from tests.unit.training.painter import Painter

loop.build_model = lambda config, head, seed, dtype: Painter(16, 6, rngs=nnx.Rngs(seed))
state._optimizer = lambda config: optax.identity()
options = dict(batch_size=4, parallel=parallel, picture_every=6)
job = painters_job(load_index(Path(root)), load_head("arkit"), output, **options)
listener = jobs.SILENT
if process == 1 and int(stopped_at):
    listener = stopping_at(int(stopped_at), signal.SIGTERM)
outcome = loop.train(job, listener)
assert int(outcome.state.step) == (10 if int(stopped_at) else 12)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_two_processes(root: Path, output: str, parallel: str, stopped_at: int = 0) -> None:
    """Two processes of two devices; one of them gets SIGTERM after a step, unless that is 0."""
    port = str(free_port())
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    commands = [
        [sys.executable, "-c", SCRIPT, str(process), parallel, port, str(root), output, str(stopped_at)]
        for process in range(2)
    ]
    running = [
        subprocess.Popen(c, env=environment, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE, text=True)
        for c in commands
    ]
    try:
        for process in running:
            _, errors = process.communicate(timeout=600)
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in running:
            process.kill()


@pytest.mark.parametrize(("parallel", "stopped_at"), [("pmap", 7), ("shard_map", 0)])
def test_two_processes_train_like_one(job, smooth_index, parallel, stopped_at, tmp_path):
    """The whole loop: each loads its half of the batches, the first writes, one that is told to stop stops both."""
    output = str(tmp_path / "together")
    if stopped_at:
        run_two_processes(smooth_index.root, output, parallel, stopped_at)
    run_two_processes(smooth_index.root, output, parallel)
    together = train(with_options(job, batch_size=4, output=output))  # finished: only reads the checkpoint
    alone = train(with_options(job, batch_size=4, parallel="single"))
    assert_same_training(together.state.params, alone.state.params)
