"""Table 2 of the paper, reenactment on HDTF, beside ours: results/table_2_hdtf.json.

    omg dataset hdtf VIDEOS -o data/hdtf
    python experiments/table_2_hdtf.py --data data/hdtf/omg_hdtf/1.1.0

Needs the 19 test sequences of HDTF (100 frames of each; omg_jax/data/builders.py tells where they come from). Without
--data the public clips take their place, and the table says so. The evaluations stay in runs/table_2_hdtf, with
reports; the same command goes on after an interruption.
"""

import tyro
from paper_tables import Evaluated
from reenactment_table import reenactment_table

from omg_jax.evaluation.paper import TABLE_2

if __name__ == "__main__":
    reenactment_table("table_2_hdtf", TABLE_2, tyro.cli(Evaluated, description=__doc__))
