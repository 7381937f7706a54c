"""Table 1 of the paper, reenactment on VFHQ, beside ours: results/table_1_vfhq.json.

    omg dataset vfhq VIDEOS -o data/vfhq
    python experiments/table_1_vfhq.py --data data/vfhq/omg_vfhq/1.1.0

Needs VFHQ's 50 test videos (50 frames of each; omg_jax/data/builders.py tells where they come from). Without --data the
public clips take their place, and the table says so. The evaluations stay in runs/table_1_vfhq, with reports; the same
command goes on after an interruption.
"""

import tyro
from paper_tables import Evaluated
from reenactment_table import reenactment_table

from omg_jax.evaluation.paper import TABLE_1

if __name__ == "__main__":
    reenactment_table("table_1_vfhq", TABLE_1, tyro.cli(Evaluated, description=__doc__))
