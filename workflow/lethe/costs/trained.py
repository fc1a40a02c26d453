"""What the small networks cost that are trained here: built as the base stage does, and counted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lethe.base.stable_diffusion import new_networks as new_stable_diffusion
from lethe.base.stable_diffusion3 import new_networks as new_stable_diffusion3
from lethe.base.text import new_autoencoder
from lethe.config.studies import CLASSES
from lethe.costs.counted import Call, network_cost
from lethe.costs.networks import StudyCost
from lethe.data.shapes import SIZE
from lethe.models.edm import EDM
from lethe.models.tokenizer import write_tokenizer
from lethe.plan.study import StudyPlan

PICTURES = {"digits": (1, 8), "cifar10": (3, 32)}
"""Channels and pixels a side of the images of class studies."""


def trained_cost(plan: StudyPlan) -> StudyCost:
    """Of a study whose base is trained here."""
    return _of_classes(plan.study) if plan.kind == "class" else _of_text(plan)


def _of_classes(study: Any) -> StudyCost:
    channels, size = PICTURES[study.data.source]
    with torch.device("meta"):
        network = EDM.new(study.base.network, channels, size, CLASSES[study.data.source], "meta").network

    def call(count: int) -> Tensor:
        labels = torch.zeros(count, dtype=torch.long, device="meta")
        return network(_empty(count, channels, size, size), _empty(count), class_labels=labels).sample

    return StudyCost(network_cost(network, call), channels * size * size, 0)


def _of_text(plan: StudyPlan) -> StudyCost:
    base = plan.study.base
    channels, side = base.vae.latent_channels, SIZE // 2 ** (len(base.vae.widths) - 1)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = write_tokenizer(Path(folder), ["a picture"], base.text_encoder.length)
    with torch.device("meta"):
        if plan.family == "stable_diffusion":
            parts = new_stable_diffusion(base.unet, base.text_encoder, tokenizer, channels, side)
        else:
            parts = new_stable_diffusion3(base, tokenizer, channels, side)
        autoencoder = new_autoencoder(base.vae, SIZE)
    call = _unet_call(parts["unet"], base, side) if "unet" in parts else _transformer_call(parts["transformer"], base)
    network = parts["unet"] if "unet" in parts else parts["transformer"]
    cost = network_cost(
        network,
        call,
        decode=lambda count: autoencoder.decode(_empty(count, channels, side, side)).sample,
        encode=lambda count: autoencoder.encode(_empty(count, 3, SIZE, SIZE)).latent_dist.parameters,
    )
    others = [autoencoder, *(part for part in parts.values() if part is not network)]
    return StudyCost(cost, 3 * SIZE * SIZE, _parameters(others))


def _unet_call(network: nn.Module, base: Any, side: int) -> Call:
    text, channels = base.text_encoder, base.vae.latent_channels
    return lambda count: (
        network(_empty(count, channels, side, side), _empty(count), _empty(count, text.length, text.width)).sample
    )


def _transformer_call(network: nn.Module, base: Any) -> Call:
    shape = network.config
    return lambda count: (
        network(
            hidden_states=_empty(count, shape.in_channels, shape.sample_size, shape.sample_size),
            encoder_hidden_states=_empty(count, base.text_encoder.length, shape.joint_attention_dim),
            pooled_projections=_empty(count, shape.pooled_projection_dim),
            timestep=_empty(count),
        ).sample
    )


def _empty(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


def _parameters(networks: Iterable[nn.Module]) -> int:
    return sum(weight.numel() for network in networks for weight in network.parameters())
