"""How every judge is trained: in one go, without a state to resume from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from lethe.training import OneCycleTraining, ResumableState


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
    training = OneCycleTraining(network, steps, peak, parameters=parameters, weight_decay=weight_decay)
    training.run(loss_of, state=ResumableState(None, ""), title=name, remedy="lower its learning_rate")
