"""Random label: predict on D_f what the current model predicts under a random other class."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import denoise, relabel, relabel_as_partner
from lethe.settings.method import ClassMethodSettings, PairedUniformly, Relabelled, Retaining, TextMethodSettings


class RandomLabelSettings(ClassMethodSettings, Retaining, Relabelled):
    """SalUn's recipe for DDPM on CIFAR-10, without the mask."""

    steps: int = Field(1000, ge=1, description="Optimiser steps.")
    batch: int = Field(128, ge=1, description="Images of D_f and of D_r a step.")
    learning_rate: float = Field(1e-4, gt=0, description="Adam's learning rate, constant.")
    clip_norm: float | None = Field(1.0, gt=0, description="Clip the whole gradient to this norm; none.")
    retain_weight: float = Field(
        3.072, ge=0, description="Weight of the retain gradient: SalUn's 1e-3 on sums over 3,072 values, as means."
    )
    relabel: Literal["next", "random"] = Field("random", description="Which other class the teacher is asked for.")


class TextRandomLabelSettings(TextMethodSettings, PairedUniformly, Retaining):
    """SalUn's recipe for Stable Diffusion, without the mask: the other label is the paired retain prompt."""

    retain_weight: float = Field(0.1, ge=0, description="Weight of the retain gradient (--alpha in the script).")


METHOD = Method(
    card=Card(
        title="Random label",
        paper="Golatkar et al. 2020, arXiv 1911.04933; for diffusion in SalUn (Fan et al. 2024), section 4",
        code="https://github.com/OPTML-Group/Unlearn-Saliency (method rl, mask of ones)",
        commit="a6e89fd",
        licence="MIT",
        differences=(
            "The first public code drew c' at random, the current one takes the next class: setting relabel.",
        ),
    ),
    classes=Recipe(settings=RandomLabelSettings, forget=relabel, retain=denoise),
    text=Recipe(settings=TextRandomLabelSettings, forget=relabel_as_partner, retain=denoise),
)
