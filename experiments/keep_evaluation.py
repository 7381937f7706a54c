"""Keeps what an evaluation's folder says, for the README: results/evaluation_NAME.json.

    omg evaluate shipped --protocol self --data public -o runs/public_self
    python experiments/keep_evaluation.py public_self runs/public_self

That is results.json without the numbers of single pairs, and of run.json what it ran on.
"""

import argparse
import json
import shlex
from pathlib import Path

from record import RESULTS

from omg_jax.evaluation.read import load_evaluation
from omg_jax.files import replacing

CIRCUMSTANCES = ("command", "commit", "device", "date")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="what the README's generator sorts it by")
    parser.add_argument("folder", type=Path, help="a finished evaluation")
    options = parser.parse_args()
    evaluation = load_evaluation(options.folder)
    kept = {name: evaluation.run[name] for name in CIRCUMSTANCES}
    kept["command"] = without_folders(kept["command"])
    kept |= {name: value for name, value in evaluation.results.items() if name != "pairs"}
    kept["data"] = {name: value for name, value in kept["data"].items() if name != "pair_sha256"}
    with replacing(RESULTS / f"evaluation_{options.name}.json") as temporary:
        temporary.write_text(json.dumps(kept, indent=1) + "\n")


def without_folders(command: str) -> str:
    """The command with every path shortened to its last part: where files lie on one machine tells nobody anything."""

    def shortened(word: str) -> str:
        option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        return option + equals + (Path(value).name if value else "")

    return shlex.join(map(shortened, shlex.split(command)))


if __name__ == "__main__":
    main()
