"""Settings of the sets stage: which images the methods see."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings


class SetsSettings(Settings):
    """The forget set D_f (all training images of the target) and the retain set D_r."""

    strategy: Literal["balanced"] = Field(
        "balanced", description="How D_r is drawn: balanced = the same number from each remaining class."
    )
    retain_per_class: int = Field(
        14, ge=1, description="Images of D_r per remaining class (50 in the paper: 1 % of each class)."
    )
