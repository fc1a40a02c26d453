"""Fine-tuning: go on training on D_r and hope that the target fades (catastrophic forgetting)."""

from __future__ import annotations

from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import denoise
from lethe.settings.method import ClassMethodSettings, Paired, TextMethodSettings


class TextFinetuneSettings(TextMethodSettings, Paired):
    """The same on text: D_r alone."""


METHOD = Method(
    card=Card(
        title="Finetune",
        paper="Warnecke et al. 2021, arXiv 2108.11577; the row Finetune of RGD's Table 1",
        code="not released with RGD",
        commit="",
        licence="",
        differences=("RGD's paper does not state steps and learning rate; the defaults are those of its other rows.",),
    ),
    classes=Recipe(settings=ClassMethodSettings, retain=denoise),
    text=Recipe(settings=TextFinetuneSettings, retain=denoise),
)
