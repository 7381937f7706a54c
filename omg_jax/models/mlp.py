"""Two-layer perceptrons."""

from flax import nnx
from jaxtyping import Array, Float


class MLP(nnx.Module):
    """Linear, ReLU, Linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int, *, rngs: nnx.Rngs, zero_last: bool = False):
        last_init = nnx.initializers.zeros_init() if zero_last else nnx.initializers.lecun_normal()
        self.first = nnx.Linear(inputs, hidden, rngs=rngs)
        self.last = nnx.Linear(hidden, outputs, kernel_init=last_init, rngs=rngs)

    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        return self.last(nnx.relu(self.first(x)))
