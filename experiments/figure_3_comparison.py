"""Figure 3 of the paper, source | driver | other methods | ours: a picture and results/figure_3_comparison.json.

    python experiments/figure_3_comparison.py --data FOLDER -o experiments/results/figure_3_comparison.jpg

Needs a folder of clips or a dataset; without --data the public clips take their place. The other methods are the
baselines that need no training. Pictures of people belong to those people: the default output lies below runs, out of
the tree. The evaluation stays in runs/figure_3, with a report.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from paper_tables import RUNS, Evaluated, command_of, evaluate
from PIL import Image
from record import write_result

from omg_jax.cli.video import contact_sheet, write_picture
from omg_jax.evaluation.read import PICTURES_NAME, Evaluation, load_evaluation


@dataclass
class Options(Evaluated):
    """What the figure shows, and how large."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = RUNS / "figure_3" / "figure_3_comparison.jpg"
    """The picture."""
    rows: int = 6
    """Pairs that are shown, spread over the data."""
    panel: int = 192
    """Side of one picture, pixels."""


def main(options: Options) -> None:
    folder = options.runs / "figure_3" / "cross"
    evaluate(options, "cross", folder)
    evaluation = load_evaluation(folder)
    methods = evaluation.results["methods"]
    # As the paper's figure: the others first, ours last and the finest of them at the end.
    others = [name for name, about in methods.items() if about["kind"] != "network"]
    ours = sorted(name for name, about in methods.items() if about["kind"] == "network" and "," not in name)
    pairs = list(evaluation.pictures)
    chosen = [pairs[round(place)] for place in np.linspace(0, len(pairs) - 1, min(options.rows, len(pairs)))]
    rows = [row_of(evaluation, pair, [*others, *ours], options.panel) for pair in chosen]
    write_picture(options.output, contact_sheet(rows, ["source", "driver", *others, *ours]))
    facts = {
        "data": evaluation.results["data"]["name"],
        "pairs": chosen,
        "columns": [*others, *ours],
        "methods": methods,
    }
    write_result("figure_3_comparison", command_of("figure_3_comparison", options), facts)


def row_of(evaluation: Evaluation, pair: str, methods: list[str], size: int) -> list[np.ndarray]:
    """Source, driver, and the methods' pictures of a pair's first shown frame that is not the worst."""
    listed, folder = evaluation.pictures[pair], (evaluation.folder / PICTURES_NAME).parent
    frame = min(listed["frames"], key=lambda entry: entry["worst"])
    files = [listed["source"], frame["target"], *(frame["methods"][method] for method in methods)]
    opened = [Image.open(folder / file).convert("RGB") for file in files]
    return [np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)) for picture in opened]


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
