"""gsplat (PyPI, PyTorch + CUDA) as a contestant. The one file of this package that uses torch, when gsplat is there."""

import gsplat
import jax
import numpy as np
import torch

from omg_jax.benchmarks.contestants import Contestant, Scene


def gsplat_contestant(scene: Scene, *, packed: bool) -> Contestant:
    """gsplat.rasterization with the rules that ours follows; packed: its sparse layout of what is visible.

    The first call of a process builds gsplat's kernels where that has not been done. Memory is the allocator's peak.
    """
    inputs = [to_torch(array).requires_grad_() for array in scene.gaussians]
    views, intrinsics = (to_torch(array)[:, None] for array in scene.camera)  # one camera for each set of Gaussians
    cotangents = [to_torch(array) for array in scene.cotangents]

    def render() -> list[torch.Tensor]:
        colours, alphas, _ = gsplat.rasterization(
            *inputs, views, intrinsics, scene.size, scene.size, near_plane=0.01, eps2d=0.3, packed=packed
        )
        return [colours[:, 0], alphas[:, 0, :, :, 0]]

    def forward() -> list[torch.Tensor]:
        with torch.no_grad():
            return render()

    def both() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(render(), inputs, cotangents)

    rendered = render()

    def backward() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(rendered, inputs, cotangents, retain_graph=True)

    return Contestant(
        name=f"gsplat {gsplat.__version__}{', packed' if packed else ''}",
        images=tuple(image.detach().cpu().numpy() for image in rendered),
        forward=forward,
        backward=backward,
        both=both,
        wait=lambda _: torch.cuda.synchronize(),
        forward_memory=peak_memory(forward),
        both_memory=peak_memory(both),
    )


def to_torch(array: jax.Array) -> torch.Tensor:
    """A copy on the GPU."""
    return torch.from_numpy(np.array(array)).cuda()


def peak_memory(run) -> float:
    """Bytes that a call takes at most, beyond what is held before it."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return float(torch.cuda.max_memory_allocated() - held)
