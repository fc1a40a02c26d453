"""What a run cost in examples through the network, whatever its batch size: the one place of the convention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

FORWARDS_OF_A_PASS = 3
"""A backward pass counts two forwards (it forms the gradients of a layer's inputs and of its weights, two products
where the forward has one), so forward and backward are three. It is the same where few weights are trained.
A discriminator beside the denoiser is not counted: it is small."""


def examples(passes: float, forwards: float, batch: float) -> float:
    """Examples through the network forward and backward; one through it forward only counts a third."""
    return batch * (passes + forwards / FORWARDS_OF_A_PASS)


class Compute(NamedTuple):
    """Of one run, in examples: ``total`` with what was done before the first step (a mask), ``step`` the mean step."""

    total: float
    step: float
    steps: int

    def fitting_steps(self, wanted: float) -> int:
        """The number of steps whose total comes nearest to ``wanted`` examples; at least one."""
        before = self.total - self.steps * self.step
        return max(1, round((wanted - before) / self.step))

    def is_near(self, wanted: float, tolerance: float) -> bool:
        """Whether it is within one step of ``wanted``, or within the share ``tolerance`` of it."""
        return abs(self.total - wanted) <= max(self.step, tolerance * wanted)


def compute_of(cost: Mapping[str, Any]) -> Compute:
    """Of what the unlearn stage wrote as cost.json."""
    batch = cost["batch"]
    return Compute(
        total=examples(cost["passes"], cost["forwards"], batch),
        step=examples(cost["passes_per_step"], cost["forwards_per_step"], batch),
        steps=cost["steps"],
    )
