"""One loop for the training of every judge: AdamW under a one-cycle schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lethe.training import ResumableState, one_cycle, restore_training_state, run_steps, training_state


def fit(
    network: nn.Module,
    loss_of: Callable[[int], Tensor],
    *,
    steps: int,
    peak: float,
    weight_decay: float,
    name: str,
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]] | None = None,
) -> None:
    """Take ``steps`` optimiser steps down ``loss_of(step)``; ``peak`` is the largest learning rate.

    ``parameters`` are those of ``network``, or groups of them with a weight decay of their own. ``name`` is what
    messages call the judge.
    """
    chosen = network.parameters() if parameters is None else parameters
    optimiser = torch.optim.AdamW(chosen, lr=peak, weight_decay=weight_decay, fused=True)

    def step(number: int) -> Tensor:
        loss = loss_of(number)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(number, steps, peak)
        optimiser.step()
        return loss

    run_steps(
        steps,
        step,
        collect=lambda: training_state(network, optimiser),
        restore=lambda tensors: restore_training_state(tensors, network, optimiser),
        state=ResumableState(None, ""),
        title=name,
        remedy="lower its learning_rate",
    )
