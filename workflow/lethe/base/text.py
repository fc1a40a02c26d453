"""``python -m lethe.base text`` trains a small Stable Diffusion: an autoencoder, then U-Net and text encoder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from diffusers import __version__ as diffusers_version
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from lethe.cli import add_device, add_provenance, add_state, provenance
from lethe.data import read_captioned
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import sha256_of, write_json
from lethe.models.folder import write_network, write_text_encoder
from lethe.models.prompts import token_ids
from lethe.models.stable_diffusion import PIPELINE
from lethe.models.tokenizer import write_tokenizer
from lethe.randomness import BatchStream, derived_seed, step_generator
from lethe.settings.options import add_options, from_options
from lethe.settings.text_base import TextBaseSettings, TextEncoderSettings, UNetSettings, VAESettings
from lethe.training import OneCycleTraining, ResumableState, use_threads

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


def new_autoencoder(settings: VAESettings, size: int) -> AutoencoderKL:
    levels = len(settings.widths)
    if size % 2 ** (levels - 1):
        raise LetheError(
            f"vae.widths names {levels} resolutions, but {size} pixels cannot be halved so often", "name fewer"
        )
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.widths,
        layers_per_block=1,
        latent_channels=settings.latent_channels,
        norm_num_groups=np.gcd.reduce([8, *settings.widths]).item(),
        sample_size=size,
    )


def train_autoencoder(
    images: Tensor, settings: TextBaseSettings, device: torch.device, state: ResumableState
) -> AutoencoderKL:
    """Squared error and a small Kullback-Leibler term (Rombach et al. 2022, without the adversarial part)."""
    vae = settings.vae
    torch.manual_seed(derived_seed(settings.seed, "initialisation of the autoencoder"))
    network = new_autoencoder(vae, images.shape[-1]).to(device).train()
    training = OneCycleTraining(network, vae.steps, vae.learning_rate, betas=(0.9, 0.99))
    batches = BatchStream(len(images), vae.batch, settings.seed, "autoencoder")

    def loss_of(number: int) -> Tensor:
        generator = step_generator(settings.seed, number)
        pixels = _pixels(images[torch.from_numpy(batches(number))], device)
        posterior = network.encode(pixels).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
        decoded = network.decode(posterior.mean + posterior.std * noise).sample
        return (decoded - pixels).square().mean() + vae.kl_weight * posterior.kl().mean() / posterior.mean[0].numel()

    training.run(loss_of, state=state, title="autoencoder", remedy="lower base.vae.learning_rate")
    state.write(vae.steps, training.collect())  # finished: the U-Net's training may still be killed
    return network.eval()


@torch.no_grad()
def posteriors(network: AutoencoderKL, images: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Means and standard deviations (N, C, h, w) of all images, on the device."""
    parts = [network.encode(_pixels(part, device)).latent_dist for part in images.split(256)]
    return torch.cat([part.mean for part in parts]), torch.cat([part.std for part in parts])


def new_networks(unet: UNetSettings, text: TextEncoderSettings, tokenizer: Any, channels: int, size: int) -> Any:
    """The U-Net and the text encoder that are trained together."""
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=text.width,
            intermediate_size=4 * text.width,
            num_hidden_layers=text.layers,
            num_attention_heads=text.heads,
            max_position_embeddings=text.length,
            projection_dim=text.width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    # CLIP starts its words at a scale of 0.02, where the first layers drown what tells them apart.
    torch.nn.init.normal_(encoder.get_input_embeddings().weight, std=0.5)
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
    latents: tuple[Tensor, Tensor],
    scaling: float,
    ids: Tensor,
    empty: Tensor,
    settings: TextBaseSettings,
    state: ResumableState,
) -> None:
    """Predict the noise of latents under captions (Ho et al. 2020); the averaged weights take the place of the live.

    Time steps are spread evenly over each batch, which takes much of the loss's variance away.
    """
    mean, deviation = latents
    device = mean.device
    kept = PNDMScheduler(**_SCHEDULE).alphas_cumprod.to(device)
    training = OneCycleTraining(
        networks.train(), settings.steps, settings.learning_rate, settings.ema, betas=(0.9, 0.99)
    )
    batches = BatchStream(len(mean), settings.batch, settings.seed, "base")

    def loss_of(number: int) -> Tensor:
        generator = step_generator(settings.seed, number)
        rows = torch.from_numpy(batches(number))
        count = len(rows)
        clean, noise = (torch.randn((count, *mean.shape[1:]), generator=generator).to(device) for _ in range(2))
        clean = scaling * (mean[rows] + deviation[rows] * clean)
        spread = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        level = (spread * len(kept)).long().clamp(max=len(kept) - 1).to(device)
        silent = torch.rand((count, 1), generator=generator) < settings.empty_share
        prompts = networks["text_encoder"](torch.where(silent, empty, ids[rows]).to(device)).last_hidden_state
        share = kept[level][:, None, None, None]
        noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
        predicted = networks["unet"](noisy, level, encoder_hidden_states=prompts).sample
        return (predicted - noise).square().mean()

    training.run(loss_of, state=state, title="base", remedy="lower base.learning_rate")
    networks.load_state_dict(training.average)


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(TextBaseSettings, arguments)
    threads = use_threads()
    device = choose_device(arguments.device)
    data = read_captioned(arguments.data)
    images = torch.from_numpy(data.images)
    folder: Path = arguments.model

    tokenizer = write_tokenizer(folder / "tokenizer", data.captions, settings.text_encoder.length)
    ids, empty = token_ids(tokenizer, data.captions), token_ids(tokenizer, [""])

    # Two trainings, two states: that of the autoencoder stays until the whole is done.
    name = f"{arguments.fingerprint}|{settings.model_dump_json()}|{sha256_of(arguments.data)}|{threads}"
    state = ResumableState(arguments.state, name, arguments.state_seconds)
    beside = arguments.state.with_suffix(".vae") if arguments.state else None
    first = replace(state, path=beside, fingerprint=f"autoencoder|{name}")
    autoencoder = train_autoencoder(images, settings, device, first)
    mean, deviation = posteriors(autoencoder, images, device)
    scaling = 1 / float((mean.var() + deviation.square().mean()).sqrt())
    autoencoder.register_to_config(scaling_factor=scaling)

    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    networks = new_networks(settings.unet, settings.text_encoder, tokenizer, *mean.shape[1:3]).to(device)
    train_networks(networks, (mean, deviation), scaling, ids, empty, settings, state)

    record = provenance("base", settings, arguments, source=data.source)
    write_network(folder / "vae", autoencoder, record)
    write_text_encoder(folder / "text_encoder", networks["text_encoder"], record)
    write_json(
        folder / "scheduler" / "scheduler_config.json",
        {"_class_name": "PNDMScheduler", "_diffusers_version": diffusers_version, **_SCHEDULE},
    )
    write_network(folder / "unet", networks["unet"], record)
    write_json(folder / "model_index.json", _index())
    state.remove()
    first.remove()


def _index() -> dict[str, Any]:
    parts = {
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    absent = {part: [None, None] for part in ("feature_extractor", "image_encoder", "safety_checker")}
    return {
        "_class_name": PIPELINE,
        "_diffusers_version": diffusers_version,
        "requires_safety_checker": False,
        **absent,
        **parts,
    }


def _pixels(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device).to(torch.float32) / 127.5 - 1


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.base text", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True, help="captioned training images, from the data stage")
    parser.add_argument("--model", type=Path, required=True, help="StableDiffusionPipeline folder to write")
    add_state(parser)
    add_options(parser, TextBaseSettings)
    add_device(parser)
    add_provenance(parser)
    return parser
