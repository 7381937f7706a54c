"""Checkpoints by orbax: asynchronous, atomic, the last two kept. The state is saved unreplicated."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from omg_jax.config import Config
from omg_jax.config_json import model_config_from_json
from omg_jax.training.state import TrainState

KEPT = 2
# What must not change between the start of a run and its continuation.
_FIXED = ("head", "train.seed", "train.batch_size", "train.window")
_HASHES = {"data_sha256": "dataset (index.json of --train.data)", "head_sha256": "head model (--head)"}


class Origin(NamedTuple):
    """What a state was trained with: options, SHA-256 of the dataset's index.json, SHA-256 of the head model."""

    config: Config
    data_sha256: str
    head_sha256: str


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

    def save(self, state: TrainState, origin: Origin) -> None:
        """Starts to save; a step that is saved already is left as it is."""
        step = int(state.step)
        if self._manager.latest_step() == step:
            return
        # Copies, because the next train step may overwrite the state's own buffers while they are being written.
        held = jax.tree.map(lambda leaf: np.array(leaf, copy=True), state)
        meta = {"step": step, "seed": origin.config.train.seed, **_as_json(origin)}
        parts = ocp.args.Composite(state=ocp.args.StandardSave(held), meta=ocp.args.JsonSave(meta))
        self._manager.save(step, args=parts)

    def restore(self, like: TrainState, origin: Origin) -> TrainState:
        """The newest checkpoint's state, with the structure of ``like``.

        ValueError where there is none, or it belongs to another dataset, model, head, seed, batch size or window.
        """
        step = self._manager.latest_step()
        if step is None:
            raise ValueError(f"there is no checkpoint in {self._manager.directory}; start the run first")
        meta = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
        _check_same_run(meta, _as_json(origin), str(self._manager.directory))
        target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), like)
        restored = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))
        # Copies again: orbax's arrays may share memory with its own buffers, and a train step donates what it is given.
        return jax.tree.map(lambda leaf: jax.numpy.array(leaf, copy=True), restored.state)


def _as_json(origin: Origin) -> dict:
    """An origin as JSON would give it back: tuples become lists."""
    return json.loads(json.dumps(origin._asdict() | {"config": dataclasses.asdict(origin.config)}))


def _check_same_run(saved: dict, wanted: dict, where: str) -> None:
    # Options that the model did not have yet when the checkpoint was made count as their defaults.
    before, now = (model_config_from_json(run["config"]["model"]) for run in (saved, wanted))
    for field in dataclasses.fields(now):
        if getattr(before, field.name) != getattr(now, field.name):
            raise ValueError(
                f"the checkpoint in {where} was made with model.{field.name} = {getattr(before, field.name)}, this run "
                f"has {getattr(now, field.name)}: give the same options again, or another --train.output"
            )
    for path in _FIXED:
        before, now = saved["config"], wanted["config"]
        for name in path.split("."):
            before, now = before[name], now[name]
        if before != now:
            raise ValueError(
                f"the checkpoint in {where} was made with {path} = {before}, this run has {now}: give the same options "
                "again, or another --train.output"
            )
    for name, what in _HASHES.items():
        # The first checkpoints did not record hashes: they go with any.
        before, now = saved.get(name, wanted[name]), wanted[name]
        if before != now:
            raise ValueError(
                f"the checkpoint in {where} was made with another {what}: its SHA-256 was {before[:12]}, this run's is "
                f"{now[:12]}; give the same one again, or another --train.output"
            )
