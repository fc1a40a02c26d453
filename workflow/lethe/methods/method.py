"""A method = forget objective x retain objective x combination rule x trainable weights x retain schedule.

No torch is imported here or by a method's file: the workflow reads them when it plans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lethe.gradients import SUM, Rule
from lethe.settings.common import Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lethe.models.denoiser import Denoiser


@dataclass(frozen=True)
class Batch:
    """What an objective sees: ``clean`` (B, C, H, W), ``conditions`` (B,), and the step's generator of noise."""

    clean: Tensor
    conditions: Tensor
    generator: torch.Generator


# An objective turns a batch into the loss that is descended, averaged over all elements.
Objective = Callable[["Denoiser", Batch, Any], "Tensor"]
# A mask is worked out once, before the first step: one tensor of 0 and 1 for each trainable weight.
Mask = Callable[["Denoiser", Callable[[int], Batch], int, Any], "list[Tensor]"]


@dataclass(frozen=True)
class Card:
    """Where a method comes from, and where paper, released code and Lethe differ."""

    title: str
    paper: str
    code: str
    commit: str
    licence: str
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """An update rule. ``forget`` and ``retain`` are None where it has no such loss.

    ``released_loader`` names what the released code's data loader did wrong, if anything; the setting ``as_released``
    does it again (see :class:`lethe.randomness.BatchStream`).
    """

    card: Card
    settings: type[Settings]
    forget: Objective | None = None
    retain: Objective | None = None
    combine: Rule = SUM
    trainable: str = "all"
    mask: Mask | None = None
    retain_schedule: Literal["one batch", "all of D_r"] = "one batch"
    released_loader: Literal["frozen order", "first batch only"] | None = None

    @property
    def needs_conflict(self) -> bool:
        """Whether two gradients meet, so that the trajectory has a cosine."""
        return self.forget is not None and self.retain is not None


@dataclass(frozen=True)
class Control:
    """A row that bounds the metrics and unlearns nothing.

    ``made_by`` says which stage makes its model; ``per_target`` whether there is one for each target, ``seeded``
    whether its model depends on the training seed.
    """

    card: Card
    made_by: Literal["nothing", "base", "unlearn"]
    per_target: bool
    seeded: bool
    settings: type[Settings]
    prepare: Callable[[Denoiser, int], None] | None = None
