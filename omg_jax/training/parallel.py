"""Data parallelism: one pure train step, three ways to run it on this machine's devices or on many machines'.

Each device takes an equal share of the global batch and averages gradients over the axis AXIS. The state is the same on
all devices; it leaves a driver unreplicated, so that a checkpoint fits any driver and any number of devices.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from omg_jax.config import DistributedConfig, TrainConfig

AXIS = "data"
Tree = Any  # nested arrays
# (axis to average over, or None) -> the pure function (state, batch, frozen) -> (state, metrics)
MakeStep = Callable[[str | None], Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]]


class Driver(NamedTuple):
    """How train steps run on some devices.

    replicate: state or constants (any arrays) to what compiled steps take. place: this process's share of a batch
    (numpy), likewise. compile: a step for (state, batch, frozen) like the given ones, ahead of its first call; it may
    donate its state. collect: one copy of a state or of metrics that
    a step gave back, once they are computed; numpy where there are several devices.
    """

    replicate: Callable[[Tree], Tree]
    place: Callable[[Tree], Tree]
    compile: Callable[[MakeStep, tuple], Callable]
    collect: Callable[[Tree], Tree]


def make_driver(options: TrainConfig) -> Driver:
    """The driver that the options ask for: on this machine's first devices, or on those of all processes.

    For one device all options mean the same plain program.

    Raises:
        ValueError: there are not so many devices, or they cannot share the batch evenly.
    """
    several, count = jax.process_count() > 1, num_devices(options)
    if count == 1:
        return _single()
    if options.parallel == "pmap":
        return _pmap(None if several else jax.local_devices()[:count])
    return _shard_map(jax.devices() if several else jax.local_devices()[:count])


def num_devices(options: TrainConfig) -> int:
    """How many devices share the batch; ValueError as for ``make_driver``."""
    if options.batch_size % options.accumulate:
        raise ValueError(
            f"accumulate: expected a divisor of the batch of {options.batch_size}, got {options.accumulate}; set "
            "--train.accumulate or --train.batch-size"
        )
    shares = options.batch_size // options.accumulate
    if jax.process_count() > 1:
        count = jax.device_count()
        if options.parallel == "single":
            raise ValueError(f"parallel: expected pmap or shard_map for {jax.process_count()} processes, got single")
        if options.num_devices not in (0, count):
            raise ValueError(
                f"num_devices: expected the {count} devices of all {jax.process_count()} processes, got "
                f"{options.num_devices}; SLURM gives each task one GPU, so start one task per GPU"
            )
        if count != jax.process_count() * jax.local_device_count():
            raise ValueError(
                f"num_devices: expected as many devices on every process, got {jax.local_device_count()} of {count} "
                f"here, on one of {jax.process_count()} processes"
            )
    elif options.parallel == "single":
        count = 1
    elif options.num_devices:
        count = options.num_devices
    elif jax.default_backend() == "cpu":
        count = 1  # a machine's cores are one device; more are virtual, for tests
    else:
        count = max(n for n in range(1, jax.local_device_count() + 1) if shares % n == 0)
    if not 1 <= count <= jax.device_count():
        raise ValueError(
            f"num_devices: expected 1 to {jax.device_count()}, what JAX finds here, got {count}; set "
            "--train.num-devices, or 0 for as many as share the batch evenly"
        )
    if shares % count:
        raise ValueError(
            f"batch_size: expected a multiple of {count} devices x {options.accumulate} accumulated parts, got "
            f"{options.batch_size}; set --train.batch-size, --train.accumulate or --train.num-devices"
        )
    return count


def part_of_process(batch_size: int) -> slice:
    """Which samples of a global batch this process loads."""
    share = batch_size // jax.process_count()
    return slice(jax.process_index() * share, (jax.process_index() + 1) * share)


def _single() -> Driver:
    return Driver(
        replicate=lambda tree: jax.tree.map(jnp.array, tree),
        place=lambda batch: batch,
        compile=lambda make_step, like: jax.jit(make_step(None), donate_argnums=0).lower(*like).compile(),
        collect=jax.block_until_ready,
    )


def _pmap(devices: list[jax.Device] | None) -> Driver:
    """devices: None for all of all processes."""
    count = jax.local_device_count() if devices is None else len(devices)

    def compile_step(make_step: MakeStep, like: tuple) -> Callable:
        step = jax.pmap(make_step(AXIS), AXIS, devices=devices)
        # Of several processes, what pmap compiles ahead expects the devices of all and is given those of one.
        return step.lower(*like).compile() if devices else step

    copy = jax.pmap(lambda _, tree: jax.tree.map(jnp.copy, tree), in_axes=(0, None), devices=devices)
    return Driver(
        replicate=lambda tree: copy(np.zeros(count), jax.tree.map(np.asarray, tree)),
        place=lambda batch: jax.tree.map(lambda leaf: leaf.reshape(count, -1, *leaf.shape[1:]), batch),
        compile=compile_step,
        # To the host at once: the next step overwrites a state's own memory. Indexing would copy through all devices.
        collect=lambda tree: jax.tree.map(lambda leaf: np.array(leaf.addressable_shards[0].data)[0], tree),
    )


def _shard_map(devices: list[jax.Device]) -> Driver:
    mesh, shared, split = Mesh(np.asarray(devices), (AXIS,)), PartitionSpec(), PartitionSpec(AXIS)
    # A compiled copy, because a step donates its state and device_put may hand on the caller's own array.
    copy = jax.jit(lambda tree: jax.tree.map(jnp.copy, tree), out_shardings=NamedSharding(mesh, shared))

    def compile_step(make_step: MakeStep, like: tuple) -> Callable:
        # Without its checks: with them, the gradient of a replicated state is summed over devices already, and the
        # step's mean over devices would leave it so many times too large.
        specs = dict(in_specs=(shared, split, shared), out_specs=(shared, shared), check_vma=False)
        step = jax.jit(jax.shard_map(make_step(AXIS), mesh=mesh, **specs), donate_argnums=0)
        return step.lower(*like).compile()

    def place(batch: Tree) -> Tree:
        whole = NamedSharding(mesh, split)
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(whole, np.asarray(leaf)), batch)

    return Driver(
        replicate=lambda tree: copy(jax.tree.map(np.asarray, tree)),
        place=place,
        compile=compile_step,
        collect=lambda tree: jax.tree.map(lambda leaf: np.array(leaf.addressable_shards[0].data), tree),
    )


def make_deterministic() -> None:
    """Programs compiled from now on give the same bits in every run; call it before anything asks JAX for devices.

    A GPU's libraries and XLA add up in whatever order is fastest unless they are told otherwise. The rasterizer adds in
    fixed point, and CPUs are deterministic, whatever is said here.
    """
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()


def start_processes(config: DistributedConfig) -> None:
    """Joins the other processes of a run; call it before anything else asks JAX for devices.

    "auto" joins where SLURM or a coordinator's address tells of others; "on" insists; "off" trains alone.

    Raises:
        ValueError: a coordinator's address without the number of processes and this one's, or the reverse.
    """
    explicit = bool(config.coordinator)
    given = [value is not None for value in (config.num_processes, config.process_id)]
    if explicit != all(given) or explicit != any(given):
        raise ValueError(
            "distributed: expected coordinator, num_processes and process_id together, or none of them; got "
            f"{config.coordinator!r}, {config.num_processes} and {config.process_id}"
        )
    if config.mode == "off" or (config.mode == "auto" and not (explicit or _slurm_tells_all())):
        return
    if jax.config.jax_platforms == "cpu":
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if explicit:
        jax.distributed.initialize(config.coordinator, config.num_processes, config.process_id)
    else:
        jax.distributed.initialize()


def _slurm_tells_all() -> bool:
    """True inside a SLURM step of several tasks; inside salloc alone some of these are missing."""
    names = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
    return all(name in os.environ for name in names) and int(os.environ["SLURM_NTASKS"]) > 1


def check_same_state(step: int, skipped: int) -> None:
    """Raises ValueError where processes do not begin with the same step; all must ask."""
    if jax.process_count() == 1:
        return
    states = multihost_utils.process_allgather(np.asarray([step, skipped]))
    if (states != states[0]).any():
        raise ValueError(
            f"the processes of this run start from different steps: {states[:, 0].tolist()}; give --train.output a "
            "folder that all of them share"
        )


def any_process(flag: bool) -> bool:
    """True where it is true on any process; all must ask."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.asarray(flag)).any())
