"""GradDiff: ascend on D_f and descend on D_r at once; the two gradients are added."""

from __future__ import annotations

from lethe.gradients import SUM
from lethe.methods.method import Card, Method
from lethe.objectives import denoise, truncated_ascent
from lethe.settings.method import MethodSettings, Retaining, Truncated


class GradDiffSettings(MethodSettings, Truncated, Retaining):
    """RGD's setting for CIFAR-10: alpha 0.1, lambda 5."""


METHOD = Method(
    card=Card(
        title="GradDiff",
        paper="Liu et al. 2022, arXiv 2203.12817; the row GradDiff of RGD's Table 1",
        code="https://github.com/reds-lab/Restricted_gradient_diversity_unlearning (CIFAR/, GradDiff)",
        commit="0075ecb",
        licence="none stated",
        differences=(
            "as_released: D_r in one frozen order whose last, short batch is divided by the full batch size.",
        ),
    ),
    settings=GradDiffSettings,
    forget=truncated_ascent,
    retain=denoise,
    combine=SUM,
    released_loader="frozen order",
)
