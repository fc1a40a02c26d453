"""A class-conditional pixel model in EDM's preconditioning (Karras et al. 2022, Table 1): around a UNet2DModel, or
around the DDPM++ of EDM's own checkpoints."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel
from torch import Tensor

from lethe.errors import LetheError
from lethe.files import read_json
from lethe.model_files import CONFIG
from lethe.models.augmentation import LABELS, augmented
from lethe.models.ddpmpp import DDPMpp
from lethe.models.denoiser import Corrupted
from lethe.models.drawing import draw_images, evaluating
from lethe.models.folder import read_network, write_network
from lethe.models.heun import heun, noise_levels
from lethe.settings.network import NetworkSettings, PreconditioningSettings
from lethe.settings.sampling import SamplingSettings

_NETWORKS: dict[str, tuple[type[UNet2DModel | DDPMpp], type[PreconditioningSettings]]] = {
    "UNet2DModel": (UNet2DModel, NetworkSettings),
    "DDPMpp": (DDPMpp, PreconditioningSettings),
}
"""The networks by the name that a folder's config.json gives, and what it says of them beside."""


class EDM:
    """The Denoiser of a class study; see :class:`lethe.models.denoiser.Denoiser` for what each method means."""

    def __init__(
        self, network: UNet2DModel | DDPMpp, settings: PreconditioningSettings, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device)
        self.settings = settings
        self.condition_count = int(network.config.num_class_embeds)
        self.clean_shape = (network.config.in_channels, network.config.sample_size, network.config.sample_size)
        self.condition_shape = ()
        # EDM's c_noise = ln(sigma) / 4 spans about -1.6..1.1; UNet2DModel embeds it on frequencies made for 0..1000.
        self._time_scale = 1000.0 if isinstance(network, UNet2DModel) else 1.0
        self._augments = False

    @classmethod
    def new(
        cls, settings: NetworkSettings, channels: int, size: int, classes: int, device: torch.device | str = "cpu"
    ) -> EDM:
        """A freshly initialised model; the weights follow torch's global generator."""
        levels = len(settings.widths)
        if size % 2 ** (levels - 1):
            raise LetheError(
                f"network.widths names {levels} resolutions, but {size} pixels cannot be halved {levels - 1} times",
                "name fewer widths",
            )
        network = UNet2DModel(
            sample_size=size,
            in_channels=channels,
            out_channels=channels,
            layers_per_block=settings.layers,
            block_out_channels=settings.widths,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            norm_num_groups=math.gcd(8, *settings.widths),
            dropout=settings.dropout,
            add_attention=False,
            num_class_embeds=classes,
        )
        return cls(network, settings, device)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> EDM:
        """Read a folder that :meth:`save` wrote."""
        name = read_json(folder / CONFIG).get("_class_name")
        if name not in _NETWORKS:
            raise LetheError(f"{folder}: a {name}, not a {' or a '.join(_NETWORKS)}", "give a model of classes")
        kind, settings = _NETWORKS[name]
        network, provenance = read_network(folder, kind)
        if "preconditioning" not in provenance:
            raise LetheError(f"{folder}: says nothing of EDM's preconditioning", "give a model folder that Lethe wrote")
        return cls(network, settings(**provenance["preconditioning"]), device)

    def save(self, folder: Path, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None) -> None:
        provenance = {**provenance, "preconditioning": json.loads(self.settings.model_dump_json())}
        write_network(folder, self.network, provenance, weights)

    def clean(self, stored: Tensor) -> Tensor:
        return stored.to(self.device).to(torch.float32) / 127.5 - 1

    def corrupt(self, clean: Tensor, generator: torch.Generator) -> Corrupted:
        """ln(sigma) ~ N(P_mean, P_std^2); weight (sigma^2 + sigma_data^2) / (sigma sigma_data)^2."""
        labels = None
        if self._augments:
            clean, labels = augmented(clean, generator)
        log_sigma = torch.randn((len(clean), 1, 1, 1), generator=generator)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        sigma = (log_sigma * self.settings.p_std + self.settings.p_mean).exp().to(self.device)
        data = self.settings.sigma_data
        weight = (sigma.square() + data**2) / (sigma * data).square()
        return Corrupted(clean, noisy=clean + sigma * noise, level=sigma, weight=weight, augmentation=labels)

    def augment(self) -> None:
        """From now on :meth:`corrupt` augments the images first, as EDM does in training."""
        takes = getattr(self.network.config, "augment_dim", 0)
        if takes != LABELS:
            raise LetheError(
                f"augmentation: the network takes {takes} augmentation labels, not {LABELS}",
                "leave augmentation at false; only networks of EDM that were trained with it know it",
            )
        self._augments = True

    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        return self.denoise(corrupted.noisy, corrupted.level, conditions, corrupted.augmentation)

    def teach(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        with torch.no_grad():
            return self.predict(corrupted, conditions)

    def clean_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        return prediction

    def noise_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """(x - D(x; sigma)) / sigma."""
        return (corrupted.noisy - prediction) / corrupted.level

    def denoise(self, noisy: Tensor, sigma: Tensor, conditions: Tensor, augmentation: Tensor | None = None) -> Tensor:
        """D(x; sigma, y) of EDM's Eq. 7; ``sigma`` is (B, 1, 1, 1)."""
        data = self.settings.sigma_data
        total = sigma.square() + data**2
        time = sigma.flatten().log() * (self._time_scale / 4)
        told = {} if augmentation is None else {"augment_labels": augmentation}
        inside = self.network(noisy / total.sqrt(), time, class_labels=conditions, **told).sample
        return data**2 / total * noisy + sigma * data / total.sqrt() * inside

    def next_condition(self, conditions: Tensor) -> Tensor:
        return (conditions + 1) % self.condition_count

    def random_condition(self, conditions: Tensor, generator: torch.Generator) -> Tensor:
        shift = torch.randint(1, self.condition_count, conditions.shape, generator=generator)
        return (conditions + shift.to(conditions.device)) % self.condition_count

    def groups(self) -> dict[str, Callable[[str], bool]]:
        return {
            "all": lambda name: True,
            "condition": lambda name: (
                name.startswith(("class_embedding", "map_l")) or "time_emb_proj" in name or ".affine." in name
            ),
        }

    def frozen(self) -> EDM:
        return EDM(copy.deepcopy(self.network).requires_grad_(False).eval(), self.settings, self.device)

    @torch.inference_mode()
    def sample(
        self,
        seeds: Sequence[int],
        conditions: Tensor,
        settings: SamplingSettings,
        progress: Callable[[int], object] = lambda count: None,
    ) -> Tensor:
        """EDM's deterministic sampler; every network call sees exactly ``settings.kernel_batch`` images."""
        levels = noise_levels(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho)

        def render(noise: Tensor, labels: Tensor) -> Tensor:
            return heun(self._denoiser_for(labels), noise, levels)

        with evaluating(self.network):
            return draw_images(
                render, seeds, conditions, self.clean_shape, settings.kernel_batch, self.device, progress
            )

    def _denoiser_for(self, labels: Tensor) -> Callable[[Tensor, float], Tensor]:
        def denoise(noisy: Tensor, level: float) -> Tensor:
            sigma = torch.full((len(noisy), 1, 1, 1), level, dtype=torch.float32, device=self.device)
            return self.denoise(noisy, sigma, labels)

        return denoise
