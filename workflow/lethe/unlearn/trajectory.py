"""What happened in each step: losses, the Gram matrix of the two gradients, and how the discriminator fared."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lethe.gradients import Gram

TRAJECTORY = (
    *("step", "forget_loss", "retain_loss", "forget_norm", "retain_norm", "cosine", "conflict"),
    *("anchor_score", "target_score"),
)


@dataclass
class Trajectory:
    """One entry a step, on the device until it is asked for.

    ``rows`` are float64: forget loss, retain loss, the three entries of the Gram matrix, the discriminator's two mean
    scores; NaN for what a step does not have. ``tensors`` are float32 (3, n): the Gram matrix of each of the n tensors.
    """

    rows: list[Tensor] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)

    def add(
        self, forget_loss: Tensor, retain_loss: Tensor, gram: Gram | None, scores: tuple[Tensor, Tensor] | None
    ) -> None:
        """``gram`` is that of each tensor; None where the step has not both gradients."""
        nothing = forget_loss.new_full((), torch.nan)
        whole = (nothing,) * 3 if gram is None else gram.total()
        values = (forget_loss, retain_loss, *whole, *(scores or (nothing, nothing)))
        self.rows.append(torch.stack([value.detach().double() for value in values]))
        if gram is not None:
            self.tensors.append(torch.stack(gram).float())

    def collect(self, tensors: int) -> dict[str, Tensor]:
        """As named tensors, for a training state; ``tensors`` is n."""
        both = torch.stack(self.tensors) if self.tensors else torch.zeros((0, 3, tensors))
        return {"trajectory": torch.stack(self.rows), "conflict": both}

    def restore(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Undo :meth:`collect`."""
        self.rows, self.tensors = (list(tensors[name].to(device)) for name in ("trajectory", "conflict"))

    def table(self) -> list[dict[str, Any]]:
        """One row a step, keyed by the names in TRAJECTORY; an absent loss or gradient is an empty cell."""
        table = []
        for step, (forget, retain, forget_square, cross, retain_square, *scores) in enumerate(
            torch.stack(self.rows).cpu().tolist() if self.rows else []
        ):
            norms = forget_square**0.5, retain_square**0.5
            known = norms[0] > 0 and norms[1] > 0  # not so where a loss is missing (NaN) or a gradient vanished
            values = (
                step,
                forget,
                retain,
                *norms,
                cross / (norms[0] * norms[1]) if known else None,
                int(cross < 0) if known else None,
                *scores,
            )
            empty = (value is None or math.isnan(value) for value in values)
            table.append({n: "" if e else value for n, value, e in zip(TRAJECTORY, values, empty, strict=True)})
        return table

    def by_tensor(self, tensors: int) -> dict[str, np.ndarray]:
        """<g_f, g_f>, <g_f, g_r>, <g_r, g_r> of each tensor, float32 (steps with both gradients, tensors)."""
        entries = torch.stack(self.tensors, 1).cpu().numpy() if self.tensors else np.zeros((3, 0, tensors), np.float32)
        names = ("forget_square", "cross", "retain_square")
        return {name: np.ascontiguousarray(entry) for name, entry in zip(names, entries, strict=True)}
