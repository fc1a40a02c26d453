"""What every method's settings share. A method declares its own class from these parts, with its own defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings


class MethodSettings(Settings):
    """The training loop's settings. The defaults of each method are those of its paper or released code."""

    steps: int = Field(782, ge=1, description="Optimiser steps.")
    batch: int = Field(64, ge=1, description="Images of D_f (and of D_r, unless all of it is walked) a step.")
    learning_rate: float = Field(1e-5, gt=0, description="Adam's learning rate, constant.")
    clip_norm: float | None = Field(
        None, gt=0, description="Clip the whole gradient to this norm before masking; none."
    )
    as_released: bool = Field(
        False, description="Reproduce the defects of the released code that the method's card lists."
    )


class Truncated(Settings):
    """A forget loss that is cut off."""

    truncation: float = Field(
        0.1, gt=0, description="The paper's alpha: squared errors above it no longer ascend (element by element)."
    )


class Retaining(Settings):
    """A retain loss beside the forget loss."""

    retain_weight: float = Field(
        5.0, ge=0, description="The paper's lambda: multiplies the retain gradient, after any projection."
    )


class Masked(Settings):
    """An update restricted to the weights that matter most to the forget loss."""

    mask_fraction: float = Field(0.5, gt=0, le=1, description="Share of all weights that may move (by saliency).")


class Relabelled(Settings):
    """A forget loss towards another class's prediction."""

    relabel: Literal["next", "random"] = Field("next", description="Which other class the teacher is asked for.")


class NoSettings(Settings):
    """A control has nothing to set."""
