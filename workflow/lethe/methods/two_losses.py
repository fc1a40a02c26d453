"""The gradient-rule laboratory: RGD's losses and data, and any rule that combines their gradients."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.gradients import RULES, Rule
from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import denoise, gated_ascent, truncated_ascent
from lethe.settings.common import Settings
from lethe.settings.method import (
    ClassMethodSettings,
    Gated,
    Paired,
    Retaining,
    RetainingAsScripted,
    TextMethodSettings,
    Truncated,
)

RuleName = Literal[
    *("sum", "restricted", "pcgrad_per_tensor", "mgda", "cagrad", "nash", "doco_first_upload", "doco_release")
]


class Ruled(Settings):
    """Which rule makes one gradient of two."""

    rule: RuleName = Field(
        "pcgrad_per_tensor", description="The rule, by its name in lethe/gradients.py (restricted is RGD's)."
    )


class TwoLossesSettings(ClassMethodSettings, Truncated, Retaining, Ruled):
    """RGD's setting for CIFAR-10, with a rule."""


class TextTwoLossesSettings(TextMethodSettings, Paired, Gated, RetainingAsScripted, Ruled):
    """RGD's setting for Stable Diffusion, with a rule."""


def _rule(settings: Ruled) -> Rule:
    return RULES[settings.rule]


METHOD = Method(
    card=Card(
        title="Two losses",
        paper="the rules' own papers: see lethe/gradients.py",
        code="none",
        commit="",
        licence="",
        differences=("DoCo's rules are applied to RGD's losses here; as methods they are rows of their own.",),
    ),
    classes=Recipe(settings=TwoLossesSettings, forget=truncated_ascent, retain=denoise, combine=_rule),
    text=Recipe(
        settings=TextTwoLossesSettings,
        forget=gated_ascent,
        retain=denoise,
        combine=_rule,
        retain_schedule="paired batch",
    ),
)
