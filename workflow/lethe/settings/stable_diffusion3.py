"""Settings of a base of Stable Diffusion 3's kind: a transformer that predicts the velocity of a flow of latents."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lethe.settings.common import Settings
from lethe.settings.text_base import LatentBaseSettings, TextEncoderSettings


class TransformerSettings(Settings):
    """The conditional network (diffusers' SD3Transformer2DModel): latents and prompt in one attention."""

    layers: int = Field(4, ge=1, description="Transformer layers.")
    heads: int = Field(3, ge=1, description="Attention heads.")
    head_width: int = Field(32, ge=4, multiple_of=4, description="Channels of a head.")
    patch: int = Field(2, ge=1, description="Latents along a side of a patch.")
    normalised: bool = Field(True, description="Normalise queries and keys (Stable Diffusion 3.5 does; 3 does not).")


class StableDiffusion3Settings(LatentBaseSettings):
    """How a small Stable Diffusion 3 is trained."""

    pipeline: Literal["stable_diffusion_3"] = Field(
        "stable_diffusion_3", description=LatentBaseSettings.model_fields["pipeline"].description
    )
    text_encoder_2: TextEncoderSettings = Field(
        default_factory=TextEncoderSettings,
        description="Trained with the network; its tokens are as many as the first one's.",
    )
    transformer: TransformerSettings = Field(
        default_factory=TransformerSettings, description="The network that is to forget."
    )
    shift: float = Field(
        1.0, gt=0, description="Shift of the noise levels towards noise (3 in Stable Diffusion 3, for 1024 pixels)."
    )

    @model_validator(mode="after")
    def _one_number_of_tokens(self) -> StableDiffusion3Settings:
        if self.text_encoder.length != self.text_encoder_2.length:
            raise ValueError(
                f"text_encoder_2.length is {self.text_encoder_2.length}, text_encoder.length "
                f"{self.text_encoder.length}; give one number for both"
            )
        return self
