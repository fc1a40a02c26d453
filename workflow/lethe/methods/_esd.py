"""What the three rows of ESD share: they differ in the weights they train."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.methods.method import Recipe
from lethe.objectives import negative_guidance
from lethe.settings.method import NegativelyGuided, TextMethodSettings

PAPER = "Gandikota et al., ICCV 2023, arXiv 2303.07345"
CODE = "https://github.com/rohitgandikota/erasing (train-esd.py of the paper's code)"
NOT_FOR_CLASSES = "it steers away from the prediction under the empty condition, which a model of classes does not have"
DIFFERENCES = (
    "as_released: sampling leaves the first step out and goes two levels too far, so that the latents are 39 to 58 "
    "steps cleaner than the level the network is asked at; ours are at that level.",
    "The authors' later rewrites for diffusers differ in sampler model, eta, precision and groups; they are not this.",
)


class ESDSettings(TextMethodSettings, NegativelyGuided):
    """ESD's own settings: a batch of one, 1000 steps."""

    steps: int = Field(1000, ge=1, description="Optimiser steps.")
    batch: int = Field(1, ge=1, description="Latents a step; they share the level.")


def esd(group: Literal["all", "noxattn", "xattn"]) -> Recipe:
    """ESD on one group of weights."""
    return Recipe(
        settings=ESDSettings,
        forget=negative_guidance,
        trainable=group,
        forget_from="the concept's prompt",
        frozen_teacher=True,
        released_objective=True,
    )
