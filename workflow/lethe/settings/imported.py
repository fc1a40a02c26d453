"""Settings of a row whose model is imported: how the file of somebody else's unlearned model is read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings


class ImportSettings(Settings):
    """How an unlearned model that others have made is laid over the study's base."""

    weights: Literal["live", "ema"] = Field(
        "live",
        description="Which weights of a CompVis checkpoint that has both: live = those that were trained; ema = the "
        "averaged ones, which unlearning code leaves as they were in the base.",
    )
    partial: bool = Field(
        False,
        description="A file of weights holds only those that were changed, such as cross-attention: the others are the "
        "base's. false: a weight that is missing is an error.",
    )
