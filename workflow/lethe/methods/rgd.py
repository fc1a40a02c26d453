"""RGD: as RG, with a diversified retain set: on classes each step's retain gradient is that of all of D_r, on text D_r
is many prompts, each the partner of one of D_f."""

from __future__ import annotations

from lethe.gradients import RESTRICTED
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


class RGDSettings(ClassMethodSettings, Truncated, Retaining):
    """RGD's setting for CIFAR-10: alpha 0.1, lambda 5."""


class TextRGDSettings(TextMethodSettings, Paired, Gated, RetainingAsScripted):
    """RGD's setting for Stable Diffusion: its paper's 1.6 and 1.5 (the script runs 1.6 and 1.1)."""


METHOD = Method(
    card=Card(
        title="RGD",
        paper="Ko et al., NeurIPS 2024, arXiv 2412.07808",
        code="https://github.com/reds-lab/Restricted_gradient_diversity_unlearning (CIFAR/, RGD)",
        commit="0075ecb",
        licence="none stated",
        differences=(
            "as_released: every batch of D_r, also the last, short one, is divided by the full batch size, so that the "
            "retain gradient of 450 images in batches of 64 is 0.879 of their mean; and Adam's eps is that of the "
            "released loss, the sum over an image's values where ours is the mean.",
            "Classes: the released loop augments all images (setting augmentation) and puts 0 and 1,000 in the place "
            "of NaN and infinite gradients; ours stops at a loss that is not finite.",
            "Text, as_released: the pairs in the order of the files, as the script's loader gives them; ours are "
            "shuffled.",
            "Text: beyond the truncation the script divides the loss by itself, whose gradient is a rounding residue "
            "that the projection takes for a direction; ours is exactly zero.",
            "Text: the paper's alpha = 1.6 and lambda = 1.5 are the script's --alpha (the retain weight) and --m (the "
            "truncation); the script as released runs --m 1.1.",
        ),
    ),
    classes=Recipe(
        settings=RGDSettings,
        forget=truncated_ascent,
        retain=denoise,
        combine=RESTRICTED,
        retain_schedule="all of D_r",
        released_loader="frozen order",
    ),
    text=Recipe(
        settings=TextRGDSettings,
        forget=gated_ascent,
        retain=denoise,
        combine=RESTRICTED,
        retain_schedule="paired batch",
        released_loader="in order",
    ),
)
