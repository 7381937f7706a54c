"""Saves a few tensors with torch itself, in its present format and in that of before 1.6: the reference of
test_torch_file_matches_torch.py."""

from pathlib import Path

import torch

FOLDER = Path(__file__).parent


class Options(dict):
    """A configuration object, as checkpoints often hold one beside their tensors."""


def main() -> None:
    linear = torch.nn.Linear(3, 2)
    torch.nn.init.constant_(linear.weight, 0.5)
    torch.nn.init.constant_(linear.bias, -1.0)
    numbers = torch.arange(12.0).reshape(3, 4)
    state = linear.state_dict()
    state["transposed"], state["slice"] = numbers.T, numbers[1:, ::2]
    state["parameter"] = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    state["bfloat16"], state["half"] = torch.arange(5).to(torch.bfloat16), torch.full((2, 3), 0.25).half()
    state["integer"], state["empty"] = torch.tensor(5), torch.zeros(0, 3)
    torch.save({"model": state, "options": Options(width=3)}, FOLDER / "torch_save.pth")
    torch.save(linear.state_dict(), FOLDER / "torch_save_legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
