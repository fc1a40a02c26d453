"""Gradient ascent on D_f, without a bound and without a retain loss."""

from __future__ import annotations

from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import ascent
from lethe.settings.method import OnClasses, Paired, TextMethodSettings


class TextAscentSettings(TextMethodSettings, Paired):
    """The same on text: D_f alone."""


METHOD = Method(
    card=Card(
        title="Gradient ascent",
        paper="Thudi et al. 2022, arXiv 2109.13398 (NegGrad)",
        code="https://github.com/OPTML-Group/Unlearn-Saliency (method ga)",
        commit="a6e89fd",
        licence="MIT",
        differences=("The released loop keeps a small retain loss; here there is none, as in the paper's definition.",),
    ),
    classes=Recipe(settings=OnClasses, forget=ascent),
    text=Recipe(settings=TextAscentSettings, forget=ascent),
)
