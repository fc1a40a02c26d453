"""What the bases of text studies share in their settings, whichever the pipeline."""

from __future__ import annotations

from pydantic import Field, PositiveInt

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


class LatentBaseSettings(Settings):
    """How the base model of a text study is trained."""

    pipeline: str = Field(
        description="stable_diffusion = a U-Net that predicts noise, stable_diffusion_3 = a transformer that predicts "
        "the velocity of a flow; it may be left out for the first."
    )
    vae: VAESettings = Field(default_factory=VAESettings, description="The autoencoder, trained first.")
    text_encoder: TextEncoderSettings = Field(
        default_factory=TextEncoderSettings, description="Trained with the network."
    )
    steps: int = Field(1700, ge=1, description="Optimiser steps of network and text encoder.")
    batch: int = Field(64, ge=1, description="Images a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    ema: float = Field(
        0.995, ge=0, lt=1, description="Decay of the exponential moving average of the weights, which is what is saved."
    )
    empty_share: float = Field(
        0.1, ge=0, lt=1, description="Share of captions replaced by the empty one, for classifier-free guidance."
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, batches and noise.")
