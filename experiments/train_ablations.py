"""Trains the small preset without one of its parts, for the paper's Table 4 at small scale.

    python experiments/train_ablations.py --data CLIPS --output RUNS [--steps 200]
    python experiments/table_4_ablations.py full=RUNS/full/weights.safetensors global=RUNS/global/weights.safetensors \
        local=... refiner=... shoulder=... --data HELD_OUT_CLIPS

Every network starts from the shipped weights, without those of the part that it lacks, and trains on for the same
steps on the same pairs at level 2: time to get used to the loss, not to grow up without the part. The whole network
trains on likewise. A network whose weights are there is not trained again, and one that was interrupted goes on.
"""

import dataclasses
from pathlib import Path

import tyro
from flax.traverse_util import flatten_dict, unflatten_dict
from rich.console import Console
from safetensors import safe_open

from omg_jax.cli.network import shipped_weights
from omg_jax.cli.train import prepare
from omg_jax.config import Config, CurriculumConfig, ModelConfig, PartsConfig
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head
from omg_jax.models.omg import build_model
from omg_jax.models.state import split_model
from omg_jax.models.weights import dotted, read_weights_meta, save_weights
from omg_jax.training.loop import train

PARTS = {
    "full": PartsConfig(),
    "global": PartsConfig(global_features=False),
    "local": PartsConfig(local_features=False),
    "refiner": PartsConfig(refiner=False),
    "shoulder": PartsConfig(shoulder=False),
}


@dataclasses.dataclass
class Options:
    """What to train, and on what."""

    data: Path
    """Clips to train on."""
    output: Path
    """Folder of the runs, one for each network."""
    only: tuple[str, ...] = tuple(PARTS)
    """Names of the networks, by the part they lack."""
    steps: int = 200


def config_of(options: Options, name: str, weights: Path) -> Config:
    """The small preset without a part, as the shipped weights have it, at level 2 alone."""
    small, model = load_preset("small"), read_weights_meta(weights).model
    run = dataclasses.replace(
        small.train,
        data=str(options.data),
        output=str(options.output / name),
        init_weights=str(options.output / f"{name}_start.safetensors"),
        num_steps=options.steps,
        learning_rate=1e-4,
        warmup_steps=20,
        ema_decay=0.98,
        curriculum=CurriculumConfig(0.0, 0.0, (0.0, 0.0, 1.0)),
        picture_every=options.steps,
        checkpoint_every=options.steps,
    )
    return dataclasses.replace(small, model=dataclasses.replace(model, parts=PARTS[name]), train=run)


def keep_weights(source: Path, target: Path, model: ModelConfig) -> None:
    """Writes those of a file's weights that a network without a part has."""
    meta = read_weights_meta(source)
    params = flatten_dict(split_model(build_model(model, load_head(meta.head_name).model, seed=0))[1])
    with safe_open(source, framework="numpy") as file:
        kept = {key: file.get_tensor(dotted(key)) for key in params}
    save_weights(target, unflatten_dict(kept), meta._replace(model=model))


def main(options: Options) -> None:
    console, weights = Console(), shipped_weights("small")
    options.output.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        config = config_of(options, name, weights)
        keep_weights(weights, Path(config.train.init_weights), config.model)
        outcome = train(prepare(config))
        if not outcome.finished:
            raise SystemExit(f"{name} was interrupted; the same command goes on")
        console.print(f"{name}: {outcome.weights} after {int(outcome.state.step)} steps")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
