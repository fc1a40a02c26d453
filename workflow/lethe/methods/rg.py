"""RG: as GradDiff, but on conflict each gradient is projected on the other's orthogonal complement."""

from __future__ import annotations

from lethe.gradients import RESTRICTED
from lethe.methods.method import Card, Method
from lethe.objectives import denoise, truncated_ascent
from lethe.settings.method import MethodSettings, Retaining, Truncated


class RGSettings(MethodSettings, Truncated, Retaining):
    """RGD's setting for CIFAR-10: alpha 0.1, lambda 5."""


METHOD = Method(
    card=Card(
        title="RG",
        paper="Ko et al., NeurIPS 2024, arXiv 2412.07808, Definition 3 and Theorem 4",
        code="https://github.com/reds-lab/Restricted_gradient_diversity_unlearning (CIFAR/, RG)",
        commit="0075ecb",
        licence="none stated",
        differences=(
            "as_released: D_r in one frozen order whose last, short batch is divided by the full batch size.",
        ),
    ),
    settings=RGSettings,
    forget=truncated_ascent,
    retain=denoise,
    combine=RESTRICTED,
    released_loader="frozen order",
)
