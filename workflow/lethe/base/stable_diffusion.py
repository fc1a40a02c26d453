"""``python -m lethe.base stable_diffusion`` trains a small Stable Diffusion: an autoencoder, then U-Net and text
encoder."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import PNDMScheduler, UNet2DConditionModel
from diffusers import __version__ as diffusers_version
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from lethe.base.pipeline_index import pipeline_index
from lethe.base.text import Captioned, evenly_spread, new_text_encoder, parser_of, prepare, train_on_captions
from lethe.files import write_json
from lethe.model_files import Family
from lethe.models.folder import write_network, write_text_encoder
from lethe.randomness import derived_seed
from lethe.settings.options import from_options
from lethe.settings.stable_diffusion import StableDiffusionSettings, UNetSettings
from lethe.settings.text_base import TextEncoderSettings
from lethe.training import ResumableState

_FAMILY: Family = "stable_diffusion"
# Stable Diffusion's noise schedule.
_SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}


def new_networks(
    unet: UNetSettings, text: TextEncoderSettings, tokenizer: CLIPTokenizer, channels: int, size: int
) -> torch.nn.ModuleDict:
    """The U-Net and the text encoder that are trained together."""
    encoder = new_text_encoder(CLIPTextModel, text, tokenizer)
    network = UNet2DConditionModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        down_block_types=tuple("CrossAttnDownBlock2D" if level else "DownBlock2D" for level in unet.attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if level else "UpBlock2D" for level in reversed(unet.attention)),
        block_out_channels=unet.widths,
        layers_per_block=unet.layers,
        cross_attention_dim=text.width,
        attention_head_dim=unet.heads,
        norm_num_groups=np.gcd.reduce([8, *unet.widths]).item(),
    )
    return torch.nn.ModuleDict({"text_encoder": encoder, "unet": network})


def train_networks(
    networks: torch.nn.ModuleDict,
    data: Captioned,
    scaling: float,
    settings: StableDiffusionSettings,
    state: ResumableState,
) -> None:
    """Predict the noise of latents under captions (Ho et al. 2020); the averaged weights take the place of the live.

    Time steps are spread evenly over each batch, which takes much of the loss's variance away.
    """
    device = data.mean.device
    kept = PNDMScheduler(**_SCHEDULE).alphas_cumprod.to(device)

    def loss_of(rows: Tensor, generator: torch.Generator) -> Tensor:
        clean = scaling * data.drawn(rows, generator)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        spread = evenly_spread(len(rows), generator)
        level = (spread * len(kept)).long().clamp(max=len(kept) - 1).to(device)
        prompts = networks["text_encoder"](data.captions(rows, settings.empty_share, generator)).last_hidden_state
        share = kept[level][:, None, None, None]
        noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
        predicted = networks["unet"](noisy, level, encoder_hidden_states=prompts).sample
        return (predicted - noise).square().mean()

    train_on_captions(networks, data, loss_of, settings, state)


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(StableDiffusionSettings, arguments)
    folder: Path = arguments.model
    prepared = prepare(settings, arguments, ("tokenizer",))
    mean, deviation = prepared.data.mean, prepared.data.deviation
    scaling = 1 / float((mean.var() + deviation.square().mean()).sqrt())

    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    networks = new_networks(settings.unet, settings.text_encoder, prepared.tokenizer, *mean.shape[1:3])
    train_networks(networks.to(prepared.device), prepared.data, scaling, settings, prepared.states[1])

    prepared.write_autoencoder(folder, scaling_factor=scaling)
    write_text_encoder(folder / "text_encoder", networks["text_encoder"], prepared.record)
    write_json(
        folder / "scheduler" / "scheduler_config.json",
        {"_class_name": "PNDMScheduler", "_diffusers_version": diffusers_version, **_SCHEDULE},
    )
    write_network(folder / "unet", networks["unet"], prepared.record)
    write_json(folder / "model_index.json", pipeline_index(_FAMILY))
    prepared.finish()


def parser() -> argparse.ArgumentParser:
    return parser_of(_FAMILY, __doc__, StableDiffusionSettings)
