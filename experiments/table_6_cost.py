"""Table 6 of the paper, the transformers of LAM and of the paper, beside ours: results/table_6_cost.json.

    python experiments/attention_cost.py
    python experiments/table_6_cost.py

Needs what the first leaves in experiments/results. The paper preset was never trained to its end: we have no GPU hours
of our own to set beside the paper's.
"""

from paper_tables import load_result, write_table

from omg_jax.configs import load_preset
from omg_jax.evaluation.paper import TRANSFORMERS, TransformerSize
from omg_jax.evaluation.tables import MISSING, Cell, Column, Grid

COLUMNS = ("layers", "attention heads", "feature dimension", "training, GPU hours")


def main() -> None:
    model, cost = load_preset("paper").model, load_result("attention_cost")
    ours = TransformerSize(model.transformer.num_layers, model.transformer.num_heads, model.width, None)
    sizes = {f"paper: {name}": size for name, size in TRANSFORMERS.items()} | {"ours: preset paper": ours}
    rows = tuple((name, tuple(Cell(str(value or MISSING)) for value in size)) for name, size in sizes.items())
    note = "The paper's text says that its training took more than 90 % fewer GPU hours than LAM's."
    shares = tuple((name, (Cell(f"{share:.2%}"),)) for name, share in cost["cost_over_LAM"].items())
    told = f"At level 0, over LAM's at level 2: `{cost['command']}`, {cost['device']}, {cost['date']}."
    grids = [
        Grid("Table 6: size of the transformer", tuple(map(Column, COLUMNS)), rows, (note,)),
        Grid("Cost of cross-attention", (Column("share of LAM's"),), shares, (told,)),
    ]
    write_table("table_6_cost", "python experiments/table_6_cost.py", grids)


if __name__ == "__main__":
    main()
