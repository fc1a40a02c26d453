"""GradDiff: ascend on D_f and descend on D_r at once; the two gradients are added."""

from __future__ import annotations

from lethe.gradients import SUM
from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import denoise, gated_ascent, truncated_ascent
from lethe.settings.method import (
    ClassMethodSettings,
    Gated,
    Paired,
    Retaining,
    RetainingAsScripted,
    TextMethodSettings,
    Truncated,
)


class GradDiffSettings(ClassMethodSettings, Truncated, Retaining):
    """RGD's setting for CIFAR-10: alpha 0.1, lambda 5."""


class TextGradDiffSettings(TextMethodSettings, Paired, Gated, RetainingAsScripted):
    """GradDiffD: RGD's script for Stable Diffusion without --surgery; alpha 1.6, m 1.5."""


METHOD = Method(
    card=Card(
        title="GradDiff",
        paper="Liu et al. 2022, arXiv 2203.12817; the row GradDiff of RGD's Table 1",
        code="https://github.com/reds-lab/Restricted_gradient_diversity_unlearning (CIFAR/, GradDiff)",
        commit="0075ecb",
        licence="none stated",
        differences=(
            "as_released: D_r in one frozen order whose last, short batch is divided by the full batch size, and "
            "Adam's eps of losses that are sums over an image's values, where ours are means.",
            "Classes: the released loop augments all images (setting augmentation).",
            "Text, as_released: the pairs in the order of the files; ours are shuffled. Beyond the truncation our "
            "forget gradient is exactly zero, the script's a rounding residue.",
        ),
    ),
    classes=Recipe(
        settings=GradDiffSettings,
        forget=truncated_ascent,
        retain=denoise,
        combine=SUM,
        released_loader="frozen order",
    ),
    text=Recipe(
        settings=TextGradDiffSettings,
        forget=gated_ascent,
        retain=denoise,
        combine=SUM,
        retain_schedule="paired batch",
        released_loader="in order",
    ),
)
