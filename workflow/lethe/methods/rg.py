"""RG: as GradDiff, but on conflict each gradient is projected on the other's orthogonal complement."""

from __future__ import annotations

from lethe.gradients import RESTRICTED
from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import denoise, gated_ascent, truncated_ascent
from lethe.settings.method import (
    ClassMethodSettings,
    Gated,
    PairedUniformly,
    Retaining,
    RetainingAsScripted,
    TextMethodSettings,
    Truncated,
)


class RGSettings(ClassMethodSettings, Truncated, Retaining):
    """RGD's setting for CIFAR-10: alpha 0.1, lambda 5."""


class TextRGSettings(TextMethodSettings, PairedUniformly, Gated, RetainingAsScripted):
    """RGD's script for Stable Diffusion on the uniform sets of its Table 4."""


METHOD = Method(
    card=Card(
        title="RG",
        paper="Ko et al., NeurIPS 2024, arXiv 2412.07808, Definition 3 and Theorem 4",
        code="https://github.com/reds-lab/Restricted_gradient_diversity_unlearning (CIFAR/, RG)",
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
        settings=RGSettings,
        forget=truncated_ascent,
        retain=denoise,
        combine=RESTRICTED,
        released_loader="frozen order",
    ),
    text=Recipe(
        settings=TextRGSettings,
        forget=gated_ascent,
        retain=denoise,
        combine=RESTRICTED,
        retain_schedule="paired batch",
        released_loader="in order",
    ),
)
