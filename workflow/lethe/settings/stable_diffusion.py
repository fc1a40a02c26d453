"""Settings of a base of Stable Diffusion's first kind: a U-Net that predicts the noise of latents."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from lethe.settings.common import Settings
from lethe.settings.text_base import LatentBaseSettings


class UNetSettings(Settings):
    """The conditional network (diffusers' UNet2DConditionModel)."""

    widths: tuple[PositiveInt, ...] = Field(
        (48, 64), min_length=1, description="Channels of each resolution, finest first."
    )
    attention: tuple[bool, ...] = Field(
        (False, True), min_length=1, description="Whether each resolution has attention, to itself and to the prompt."
    )
    layers: int = Field(1, ge=1, description="Residual and attention blocks per resolution.")
    heads: int = Field(4, ge=1, description="Attention heads.")

    @model_validator(mode="after")
    def _one_word_for_each_resolution(self) -> UNetSettings:
        if len(self.attention) != len(self.widths):
            raise ValueError(f"attention has {len(self.attention)} entries for {len(self.widths)} widths")
        return self


class StableDiffusionSettings(LatentBaseSettings):
    """How a small Stable Diffusion is trained."""

    pipeline: Literal["stable_diffusion"] = Field(
        "stable_diffusion", description=LatentBaseSettings.model_fields["pipeline"].description
    )
    unet: UNetSettings = Field(default_factory=UNetSettings, description="The network that is to forget.")
