"""``python -m lethe.base stable_diffusion_3`` trains a small Stable Diffusion 3: an autoencoder, then transformer
and two text encoders; the third, T5, is left out."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from diffusers import __version__ as diffusers_version
from torch import Tensor
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from lethe.base.pipeline_index import pipeline_index
from lethe.base.text import Captioned, evenly_spread, new_text_encoder, parser_of, prepare, train_on_captions
from lethe.errors import LetheError
from lethe.files import write_json
from lethe.model_files import Family
from lethe.models.folder import write_network, write_text_encoder
from lethe.randomness import derived_seed
from lethe.settings.options import from_options
from lethe.settings.stable_diffusion3 import StableDiffusion3Settings
from lethe.training import ResumableState

_FAMILY: Family = "stable_diffusion_3"
ENCODERS = ("text_encoder", "text_encoder_2")


def new_networks(
    settings: StableDiffusion3Settings, tokenizer: CLIPTokenizer, channels: int, size: int
) -> torch.nn.ModuleDict:
    """The transformer and the text encoders that are trained together."""
    shape = settings.transformer
    if size % shape.patch:
        raise LetheError(f"transformer.patch: {size} latents are no multiple of {shape.patch}", "choose a divisor")
    texts = {name: getattr(settings, name) for name in ENCODERS}
    encoders = {name: new_text_encoder(CLIPTextModelWithProjection, text, tokenizer) for name, text in texts.items()}
    joint = sum(text.width for text in texts.values())
    network = SD3Transformer2DModel(
        sample_size=size,
        patch_size=shape.patch,
        in_channels=channels,
        out_channels=channels,
        num_layers=shape.layers,
        attention_head_dim=shape.head_width,
        num_attention_heads=shape.heads,
        joint_attention_dim=joint,
        caption_projection_dim=shape.heads * shape.head_width,
        pooled_projection_dim=joint,
        pos_embed_max_size=size // shape.patch,
        qk_norm="rms_norm" if shape.normalised else None,
    )
    return torch.nn.ModuleDict({**encoders, "transformer": network})


def train_networks(
    networks: torch.nn.ModuleDict,
    data: Captioned,
    scaling: float,
    shift: float,
    settings: StableDiffusion3Settings,
    state: ResumableState,
) -> None:
    """Predict the velocity from latents to noise under captions (Esser et al. 2024); the averaged weights take the
    place of the live.

    Noise levels are logit-normal, and spread evenly over each batch, which takes much of the loss's variance away.
    """
    device = data.mean.device
    levels = FlowMatchEulerDiscreteScheduler(**_schedule(settings)).sigmas.to(device)

    def loss_of(rows: Tensor, generator: torch.Generator) -> Tensor:
        clean = scaling * (data.drawn(rows, generator) - shift)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        spread = evenly_spread(len(rows), generator)
        share = (math.sqrt(2) * torch.erfinv(2 * spread - 1)).sigmoid()
        level = levels[(share * len(levels)).long().clamp(max=len(levels) - 1).to(device)]
        ids = data.captions(rows, settings.empty_share, generator)
        read = [networks[name](ids, output_hidden_states=True) for name in ENCODERS]
        at = level[:, None, None, None]
        predicted = networks["transformer"](
            hidden_states=(1 - at) * clean + at * noise,
            encoder_hidden_states=torch.cat([words.hidden_states[-2] for words in read], -1),
            pooled_projections=torch.cat([words.text_embeds for words in read], -1),
            timestep=level * len(levels),
        ).sample
        return (predicted - (noise - clean)).square().mean()

    train_on_captions(networks, data, loss_of, settings, state)


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(StableDiffusion3Settings, arguments)
    folder: Path = arguments.model
    prepared = prepare(settings, arguments, ("tokenizer", "tokenizer_2"))
    mean, deviation = prepared.data.mean, prepared.data.deviation
    shift = float(mean.mean())
    scaling = 1 / float((mean.var() + deviation.square().mean()).sqrt())

    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    networks = new_networks(settings, prepared.tokenizer, *mean.shape[1:3]).to(prepared.device)
    train_networks(networks, prepared.data, scaling, shift, settings, prepared.states[1])

    prepared.write_autoencoder(folder, scaling_factor=scaling, shift_factor=shift)
    for name in ENCODERS:
        write_text_encoder(folder / name, networks[name], prepared.record)
    write_json(
        folder / "scheduler" / "scheduler_config.json",
        {
            "_class_name": "FlowMatchEulerDiscreteScheduler",
            "_diffusers_version": diffusers_version,
            **_schedule(settings),
        },
    )
    # Trained without T5's tokens, so that none are to stand in their place.
    write_network(folder / "transformer", networks["transformer"], {**prepared.record, "t5_tokens": 0})
    write_json(folder / "model_index.json", pipeline_index(_FAMILY))
    prepared.finish()


def _schedule(settings: StableDiffusion3Settings) -> dict[str, float]:
    return {"num_train_timesteps": 1000, "shift": settings.shift}


def parser() -> argparse.ArgumentParser:
    return parser_of(_FAMILY, __doc__, StableDiffusion3Settings)
