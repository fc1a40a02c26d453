"""Settings of a text study's base: a small Stable Diffusion, trained in the workflow."""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from lethe.settings.common import Settings


class VAESettings(Settings):
    """The autoencoder between pixels and latents (diffusers' AutoencoderKL)."""

    widths: tuple[PositiveInt, ...] = Field(
        (16, 32), min_length=1, description="Channels of each resolution, finest first; each level halves the image."
    )
    latent_channels: int = Field(4, ge=1, description="Channels of the latents.")
    steps: int = Field(700, ge=1, description="Optimiser steps.")
    batch: int = Field(32, ge=1, description="Images a step.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    kl_weight: float = Field(1e-4, ge=0, description="Weight of the Kullback-Leibler term beside the squared error.")


class TextEncoderSettings(Settings):
    """The text encoder (transformers' CLIPTextModel) with its tokenizer."""

    width: int = Field(64, ge=8, description="Size of a token's embedding.")
    layers: int = Field(2, ge=1, description="Transformer layers.")
    heads: int = Field(4, ge=1, description="Attention heads.")
    length: int = Field(24, ge=4, description="Tokens of a prompt (77 in Stable Diffusion); a longer one is refused.")


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


class TextBaseSettings(Settings):
    """How the base model of a text study is trained."""

    vae: VAESettings = Field(default_factory=VAESettings, description="The autoencoder, trained first.")
    text_encoder: TextEncoderSettings = Field(
        default_factory=TextEncoderSettings, description="Trained with the U-Net."
    )
    unet: UNetSettings = Field(default_factory=UNetSettings, description="The network that is to forget.")
    steps: int = Field(1700, ge=1, description="Optimiser steps of U-Net and text encoder.")
    batch: int = Field(64, ge=1, description="Images a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    ema: float = Field(
        0.995, ge=0, lt=1, description="Decay of the exponential moving average of the weights, which is what is saved."
    )
    empty_share: float = Field(
        0.1, ge=0, lt=1, description="Share of captions replaced by the empty one, for classifier-free guidance."
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, batches and noise.")
