"""What an unlearning takes: passes through the network, seconds, memory, storage."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lethe.energy import EnergyMeter
from lethe.models.denoiser import Denoiser

if TYPE_CHECKING:
    from lethe.unlearn.loop import Unlearning


class PassCounter:
    """How many examples went through the network: ``counts`` with a gradient, and without.

    In both, a guided prediction of B examples counts 2 B.
    """

    def __init__(self, *models: Denoiser | None) -> None:
        self.counts = [0, 0]
        for model in models:
            if model is not None:
                model.network.register_forward_hook(self._count)

    def _count(self, network: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.counts[0 if torch.is_grad_enabled() else 1] += len(inputs[0])


def cost_of(
    started: float, device: torch.device, energy: EnergyMeter, loop: Unlearning | None, model: Path
) -> dict[str, Any]:
    """What the run took, before and after a kill. ``passes`` are forward-backward passes over one batch, ``forwards``
    those without a gradient; a mask's are in both totals, but not in what a step takes. ``batch`` is that batch's size,
    so that the passes of methods with different batches can be compared; ``training_seconds`` are those of mask and
    steps, without loading and saving. ``energy_joules`` is there only where the
    device's driver counts it and the run was not interrupted."""
    on_gpu = device.type == "cuda"
    cost = {
        "seconds": time.monotonic() - started + (loop.seconds_before if loop else 0.0),
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "peak_memory_bytes": torch.cuda.max_memory_allocated(device)
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "storage_bytes": sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
        **dict.fromkeys(("steps", "batch", "training_seconds"), 0),
        **dict.fromkeys(("passes", "forwards", "passes_per_step", "forwards_per_step"), 0),
    }
    if loop is not None:
        batch, steps = loop.settings.batch, loop.settings.steps
        for name, total, before in zip(("passes", "forwards"), loop.passes.counts, loop.passes_for_mask, strict=True):
            cost |= {name: total / batch, f"{name}_per_step": (total - before) / batch / steps}
        cost |= {"steps": steps, "batch": batch, "training_seconds": loop.training_seconds}
    joules = energy.joules() if loop is None or not loop.seconds_before else None
    return cost | ({} if joules is None else {"energy_joules": joules})
