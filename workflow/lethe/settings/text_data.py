"""Settings of the data stage of a text study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings


class TextDataSettings(Settings):
    """Which captioned images the base and the judges are trained on."""

    source: Literal["shapes"] = Field(
        "shapes", description="The data: shapes = 16x16 pictures of one shape, drawn from their captions."
    )
    train_images: int = Field(8192, ge=16, description="Pictures to train on.")
    test_images: int = Field(1024, ge=16, description="Pictures held out, for the judges' accuracy.")
    seed: int = Field(0, ge=0, description="Seed of the pictures.")
