"""RGD: as RG, but each step's retain gradient is that of all of D_r, the diversified retain set."""

from __future__ import annotations

from lethe.gradients import RESTRICTED
from lethe.methods.method import Card, Method
from lethe.objectives import denoise, truncated_ascent
from lethe.settings.method import MethodSettings, Retaining, Truncated


class RGDSettings(MethodSettings, Truncated, Retaining):
    """RGD's setting for CIFAR-10: alpha 0.1, lambda 5."""


METHOD = Method(
    card=Card(
        title="RGD",
        paper="Ko et al., NeurIPS 2024, arXiv 2412.07808",
        code="https://github.com/reds-lab/Restricted_gradient_diversity_unlearning (CIFAR/, RGD)",
        commit="0075ecb",
        licence="none stated",
        differences=(
            "as_released: every batch of D_r, also the last, short one, is divided by the full batch size, so that the "
            "retain gradient of 450 images in batches of 64 is 0.879 of their mean.",
        ),
    ),
    settings=RGDSettings,
    forget=truncated_ascent,
    retain=denoise,
    combine=RESTRICTED,
    retain_schedule="all of D_r",
    released_loader="frozen order",
)
