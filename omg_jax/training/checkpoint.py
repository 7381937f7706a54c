"""Checkpoints by orbax: asynchronous, atomic, the last two kept. The state is saved unreplicated."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from omg_jax.config import Config
from omg_jax.training.state import TrainState

KEPT = 2
# What must not change between the start of a run and its continuation.
_FIXED = ("model", "head", "train.seed", "train.batch_size", "train.window")


class Checkpoints:
    """The checkpoints of one run, in one folder. Use it in a ``with`` block: saving goes on in the background."""

    def __init__(self, folder: Path):
        options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(Path(folder).absolute(), options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *failure: Any) -> None:
        self._manager.close()

    def latest(self) -> int | None:
        """The step of the newest finished checkpoint."""
        return self._manager.latest_step()

    def save(self, state: TrainState, config: Config) -> None:
        """Starts to save; a step that is saved already is left as it is."""
        step = int(state.step)
        if self._manager.latest_step() == step:
            return
        # Copies, because the next train step may overwrite the state's own buffers while they are being written.
        held = jax.tree.map(lambda leaf: np.array(leaf, copy=True), state)
        meta = {"step": step, "seed": config.train.seed, "config": _as_json(config)}
        parts = ocp.args.Composite(state=ocp.args.StandardSave(held), meta=ocp.args.JsonSave(meta))
        self._manager.save(step, args=parts)

    def restore(self, like: TrainState, config: Config) -> TrainState:
        """The newest checkpoint's state, with the structure of ``like``.

        ValueError where there is none, or it belongs to another model, head, seed, batch size or window.
        """
        step = self._manager.latest_step()
        if step is None:
            raise ValueError(f"there is no checkpoint in {self._manager.directory}; start the run first")
        meta = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
        _check_same_run(meta["config"], _as_json(config), str(self._manager.directory))
        target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), like)
        restored = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))
        # Copies again: orbax's arrays may share memory with its own buffers, and a train step donates what it is given.
        return jax.tree.map(lambda leaf: jax.numpy.array(leaf, copy=True), restored.state)


def _as_json(config: Config) -> dict:
    """A config as JSON would give it back: tuples become lists."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def _check_same_run(saved: dict, wanted: dict, where: str) -> None:
    for path in _FIXED:
        before, now = saved, wanted
        for name in path.split("."):
            before, now = before[name], now[name]
        if before != now:
            raise ValueError(
                f"the checkpoint in {where} was made with {path} = {before}, this run has {now}: give the same options "
                "again, or another --train.output"
            )
