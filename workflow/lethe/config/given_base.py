"""The base of a text study that is not trained here but given: a published model, or one of the user's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings
from lethe.settings.given_base import CheckpointSettings

_OF_CHECKPOINTS = CheckpointSettings.model_fields


class GivenStableDiffusionSettings(Settings):
    """A Stable Diffusion that is given, not trained."""

    pipeline: Literal["stable_diffusion"] = Field(
        "stable_diffusion", description="stable_diffusion = a U-Net that predicts noise."
    )
    given: str = Field(
        min_length=1,
        description="The model: an asset (sd14), or the path of a StableDiffusionPipeline folder or of a CompVis "
        "checkpoint (.ckpt, .safetensors).",
    )
    weights: Literal["ema", "live"] = Field("ema", description=_OF_CHECKPOINTS["weights"].description)
    configuration: str | None = Field(None, min_length=1, description=_OF_CHECKPOINTS["configuration"].description)


class GivenStableDiffusion3Settings(Settings):
    """A Stable Diffusion 3 that is given, not trained."""

    pipeline: Literal["stable_diffusion_3"] = Field(
        description="stable_diffusion_3 = a transformer that predicts the velocity of a flow."
    )
    given: str = Field(
        min_length=1, description="The model: an asset (sd3_medium), or the path of a StableDiffusion3Pipeline folder."
    )
    t5: str | None = Field(
        None,
        min_length=1,
        description="The folder that text_encoder_3 and tokenizer_3 are in (the asset t5, or a path): prompts are then "
        "embedded with T5 too. It is not copied into models. null: zeros stand in its place, as in diffusers.",
    )
