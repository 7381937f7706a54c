"""The paper preset at full size, with random weights: parameters module by module, stages, frames and memory.

    python experiments/paper_size.py [--head arkit|flame:PATH] [--repeats 5]

Writes results/paper_size.json. The times are those of ``omg bench avatar``, on a made-up photo: tracking and matting
are not among them. The built-in head has 5,177 vertices at level 0, FLAME's 5,023.
"""

import argparse

from record import write_result

from omg_jax.benchmarks.avatar import measure_avatar, stand_in_case
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head
from omg_jax.memory import keep_freed_memory
from omg_jax.models.parameter_counts import backbone_count, parameter_counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", default="arkit", help='"arkit" or "flame:PATH"')
    parser.add_argument("--repeats", type=int, default=5, help="runs per measurement; the fastest counts")
    options = parser.parse_args()
    keep_freed_memory()
    config, head = load_preset("paper"), load_head(options.head)
    result = {
        "head": head.name,
        "weights": "random",
        "parameters": {"backbone": backbone_count(config.model.backbone), **parameter_counts(config.model, head.model)},
        **measure_avatar(stand_in_case(config, head), options.repeats),
    }
    write_result("paper_size", f"python experiments/paper_size.py --repeats {options.repeats}", result)


if __name__ == "__main__":
    main()
