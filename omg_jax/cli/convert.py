"""``omg convert``: weights that others published, and FLAME files, to files of ours."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from omg_jax.assets.registry import environment_variable
from omg_jax.cli.console import console, note, report
from omg_jax.head.flame import convert_flame
from omg_jax.models.dinov2_weights import convert_dinov2
from omg_jax.models.release_weights import Group, convert_release
from omg_jax.models.torch_state import listed
from omg_jax.models.weights import named_arrays

Output = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


def convert(
    kind: Annotated[Literal["dinov2", "release", "flame"], tyro.conf.Positional],
    source: tyro.conf.Positional[Path],
    output: Output,
    json: bool = False,
) -> None:
    """Convert weights that others published, or a FLAME file, to a file of ours. Nothing that a file holds is run.

    Args:
        kind: "dinov2": a DINOv2 backbone, official (.pth) or Hugging Face's (.safetensors); "release": the checkpoint
            of OMG-Avatar's authors (omg_ckpt.pt), for --preset paper --weights; "flame": a FLAME .pkl, to an .npz.
        source: The file to convert.
        output: The file to write: NAME.safetensors, or NAME.npz for FLAME.
        json: Print one JSON object.
    """
    with console.status(f"converting {source}"):
        facts = CONVERTERS[kind](source, output)
    report({"output": str(output), **facts}, as_json=json)


def dinov2(source: Path, output: Path) -> dict:
    """Converts a backbone; what a report says of it."""
    found = convert_dinov2(source, output)
    if found.left_out:
        note(f"left out, as no part of the backbone: {listed(found.left_out)}")
    return {
        "backbone": found.name,
        "parameters": num_parameters(found.params),
        "left_out": found.left_out,
        "give_its_path_in": environment_variable(found.name),
    }


def release(source: Path, output: Path) -> dict:
    """Converts the authors' checkpoint; what a report says of it."""
    found = convert_release(source, output)
    dropped = [name for name, group in found.dropped.items() if group.arrays]
    if dropped:
        note(f"left behind, as no part of the network: {listed(dropped)}")
    if found.extra:
        note(f"unknown, and left out: {listed(found.extra)}")
    return {
        "parameters": num_parameters(found.params),
        "backbone_parameters": num_parameters(found.backbone),
        "extra": found.extra,
        "unused": counts(found.unused),
        "dropped": counts(found.dropped),
    }


def flame(source: Path, output: Path) -> dict:
    """Converts a FLAME file, about which there is nothing to report."""
    convert_flame(source, output)
    return {}


CONVERTERS = {"dinov2": dinov2, "release": release, "flame": flame}


def num_parameters(params: dict) -> int:
    """How many numbers a network has."""
    return sum(array.size for array in named_arrays(params).values())


def counts(groups: dict[str, Group]) -> dict[str, dict]:
    """Groups of arrays as a report shows them."""
    return {name: group._asdict() for name, group in groups.items()}
