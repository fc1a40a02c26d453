"""What the trainings of both kinds of Stable Diffusion share: tokenizer, autoencoder, latents, options.

The network that is to forget, and what it is taught, are in ``stable_diffusion.py`` and ``stable_diffusion3.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from lethe.cli import add_device, add_provenance, add_state, provenance
from lethe.data import read_captioned
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import sha256_of
from lethe.model_files import Family
from lethe.models import PIPELINES
from lethe.models.folder import write_network
from lethe.models.text_encoder import token_ids
from lethe.models.tokenizer import write_tokenizer
from lethe.randomness import BatchStream, derived_seed, step_generator
from lethe.settings.options import add_options
from lethe.settings.text_base import LatentBaseSettings, TextEncoderSettings, VAESettings
from lethe.training import OneCycleTraining, ResumableState, use_threads

Encoder = TypeVar("Encoder", CLIPTextModel, CLIPTextModelWithProjection)


@dataclass(frozen=True)
class Captioned:
    """What a network is trained on: posteriors of pictures (N, C, h, w) on the device, and their captions' tokens."""

    mean: Tensor
    deviation: Tensor
    ids: Tensor
    empty: Tensor
    """Tokens (1, T) of the empty caption; ``ids`` are (N, T)."""

    def drawn(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Latents of these rows, one draw each from its posterior, unscaled."""
        noise = torch.randn((len(rows), *self.mean.shape[1:]), generator=generator).to(self.mean.device)
        return self.mean[rows] + self.deviation[rows] * noise

    def captions(self, rows: Tensor, empty_share: float, generator: torch.Generator) -> Tensor:
        """Tokens of these rows; a share of them is the empty caption, for classifier-free guidance."""
        silent = torch.rand((len(rows), 1), generator=generator) < empty_share
        return torch.where(silent, self.empty, self.ids[rows]).to(self.mean.device)


@dataclass(frozen=True)
class Preparation:
    """What both trainings begin from. ``states`` are those of the autoencoder's training and of the network's."""

    data: Captioned
    autoencoder: AutoencoderKL
    tokenizer: CLIPTokenizer
    device: torch.device
    record: dict[str, Any]
    states: tuple[ResumableState, ResumableState]

    def write_autoencoder(self, folder: Path, **factors: float) -> None:
        """``factors`` are those by which a pipeline makes latents of the autoencoder's values."""
        self.autoencoder.register_to_config(**factors)
        write_network(folder / "vae", self.autoencoder, self.record)

    def finish(self) -> None:
        """Everything is written: there is nothing to resume."""
        for state in self.states:
            state.remove()


def prepare(settings: LatentBaseSettings, arguments: argparse.Namespace, tokenizers: tuple[str, ...]) -> Preparation:
    """Write the tokenizer under each of these names, and train the autoencoder.

    There are two trainings and two states: that of the autoencoder stays until the whole is done.
    """
    threads = use_threads()
    device = choose_device(arguments.device)
    data = read_captioned(arguments.data)
    images = torch.from_numpy(data.images)
    for folder in tokenizers:
        tokenizer = write_tokenizer(arguments.model / folder, data.captions, settings.text_encoder.length)
    ids, empty = token_ids(tokenizer, data.captions), token_ids(tokenizer, [""])

    name = f"{arguments.fingerprint}|{settings.model_dump_json()}|{sha256_of(arguments.data)}|{threads}"
    state = ResumableState(arguments.state, name, arguments.state_seconds)
    beside = arguments.state.with_suffix(".vae") if arguments.state else None
    first = replace(state, path=beside, fingerprint=f"autoencoder|{name}")
    autoencoder = train_autoencoder(images, settings, device, first)
    captioned = Captioned(*posteriors(autoencoder, images, device), ids, empty)
    record = provenance("base", settings, arguments, source=data.source)
    return Preparation(captioned, autoencoder, tokenizer, device, record, (first, state))


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
    images: Tensor, settings: LatentBaseSettings, device: torch.device, state: ResumableState
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
    state.write(vae.steps, training.collect())  # finished: the network's training may still be killed
    return network.eval()


@torch.no_grad()
def posteriors(network: AutoencoderKL, images: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Means and standard deviations (N, C, h, w) of all images, on the device."""
    parts = [network.encode(_pixels(part, device)).latent_dist for part in images.split(256)]
    return torch.cat([part.mean for part in parts]), torch.cat([part.std for part in parts])


def new_text_encoder(kind: type[Encoder], settings: TextEncoderSettings, tokenizer: CLIPTokenizer) -> Encoder:
    encoder = kind(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.width,
            intermediate_size=4 * settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            max_position_embeddings=settings.length,
            projection_dim=settings.width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    # CLIP starts its words at a scale of 0.02, where the first layers drown what tells them apart.
    torch.nn.init.normal_(encoder.get_input_embeddings().weight, std=0.5)
    return encoder


def _pixels(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device).to(torch.float32) / 127.5 - 1


def train_on_captions(
    networks: torch.nn.ModuleDict,
    data: Captioned,
    loss_of: Callable[[Tensor, torch.Generator], Tensor],
    settings: LatentBaseSettings,
    state: ResumableState,
) -> None:
    """Descend ``loss_of(rows, generator)`` over batches of ``data``; the averaged weights replace the live."""
    training = OneCycleTraining(
        networks.train(), settings.steps, settings.learning_rate, settings.ema, betas=(0.9, 0.99)
    )
    batches = BatchStream(len(data.mean), settings.batch, settings.seed, "base")
    training.run(
        lambda number: loss_of(torch.from_numpy(batches(number)), step_generator(settings.seed, number)),
        state=state,
        title="base",
        remedy="lower base.learning_rate",
    )
    networks.load_state_dict(training.average)


def evenly_spread(count: int, generator: torch.Generator) -> Tensor:
    """``count`` numbers between 0 and 1, one in each of as many equal parts."""
    return (torch.arange(count) + torch.rand(count, generator=generator)) / count


def parser_of(family: Family, text: str | None, settings: type[LatentBaseSettings]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m lethe.base {family}", description=text, allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True, help="captioned training images, from the data stage")
    parser.add_argument("--model", type=Path, required=True, help=f"{PIPELINES[family]} folder to write")
    add_state(parser)
    add_options(parser, settings)
    add_device(parser)
    add_provenance(parser)
    return parser
