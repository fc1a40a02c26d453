"""Settings of the data stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings


class DataSettings(Settings):
    """Which real images the study is about, and how they are split."""

    source: Literal["digits"] = Field(
        "digits", description="The data: digits = the 1,797 real 8x8 handwritten digits that scikit-learn ships."
    )
    test_share: float = Field(
        0.2, gt=0, lt=1, description="Share of each class held out: never trained on, only measured against."
    )
    split_seed: int = Field(0, ge=0, description="Seed of the stratified split into train and test.")
