"""SalUn: relabel D_f, but move only the weights that matter most to it."""

from __future__ import annotations

from pydantic import Field

from lethe.masks import guided_saliency, saliency
from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import denoise, relabel, relabel_as_partner
from lethe.settings.method import (
    ClassMethodSettings,
    GuidedMask,
    Masked,
    PairedUniformly,
    Relabelled,
    Retaining,
    TextMethodSettings,
)


class SalunSettings(ClassMethodSettings, Retaining, Relabelled, Masked):
    """SalUn's recipe for DDPM on CIFAR-10."""

    steps: int = Field(1000, ge=1, description="Optimiser steps.")
    batch: int = Field(128, ge=1, description="Images of D_f and of D_r a step.")
    learning_rate: float = Field(1e-4, gt=0, description="Adam's learning rate, constant.")
    clip_norm: float | None = Field(1.0, gt=0, description="Clip the whole gradient to this norm before masking; none.")
    retain_weight: float = Field(
        3.072, ge=0, description="Weight of the retain gradient: SalUn's 1e-3 on sums over 3,072 values, as means."
    )


class TextSalunSettings(TextMethodSettings, PairedUniformly, Retaining, GuidedMask):
    """SalUn's recipe for nudity on Stable Diffusion."""

    retain_weight: float = Field(0.1, ge=0, description="Weight of the retain gradient (--alpha in the script).")


METHOD = Method(
    card=Card(
        title="SalUn",
        paper="Fan et al., ICLR 2024, arXiv 2310.12508",
        code="https://github.com/OPTML-Group/Unlearn-Saliency",
        commit="a6e89fd",
        licence="MIT",
        differences=(
            "as_released: each step sees the first batch of D_f and of D_r again, as in the released loops for Stable "
            "Diffusion before 2026-02-27, from which RGD's copies come.",
            "Classes: the mask sums gradients of the denoising loss of the class itself; the released one "
            "differentiates the guided prediction, which a model without a null class does not have, and clips each "
            "batch's gradient.",
            "Both losses are means over all elements; the released ones are a mean and a sum.",
            "Text, mask_as_released: before 2024-05-15 the script compared names with tensors: nothing was masked.",
            "Text: both losses of a row share one draw from the autoencoder's posterior; the script draws two.",
            "The paper draws c' at random, its code takes the next class (the default here): setting relabel.",
        ),
    ),
    classes=Recipe(
        settings=SalunSettings, forget=relabel, retain=denoise, mask=saliency, released_loader="first batch only"
    ),
    text=Recipe(
        settings=TextSalunSettings,
        forget=relabel_as_partner,
        retain=denoise,
        mask=guided_saliency,
        released_loader="first batch only",
    ),
)
