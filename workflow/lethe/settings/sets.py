"""Settings of the sets stage: which images the methods see."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings

RetainStrategy = Literal["balanced", "nearest"]
RETAIN_STRATEGIES = (
    "balanced = the same number from each remaining class, nearest = as many in all, from the two classes that are "
    "nearest to the target"
)


class SetsSettings(Settings):
    """The forget set D_f (all training images of the target) and the retain set D_r."""

    strategy: RetainStrategy = Field(
        "balanced", description=f"How D_r is drawn where a row does not say it: {RETAIN_STRATEGIES}."
    )
    retain_per_class: int = Field(
        14, ge=1, description="Images of D_r per remaining class (50 in the paper: 1 % of each class)."
    )


class SimilaritySettings(Settings):
    """Which classes are near to each other: the cosine of their mean features."""

    images_per_class: int = Field(
        500, ge=1, description="Training images of each class, the first of them, at most (500 in the paper)."
    )
