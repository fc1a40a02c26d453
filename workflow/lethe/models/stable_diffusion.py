"""A text-conditional latent model: a StableDiffusionPipeline folder whose U-Net predicts the noise of latents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import PNDMScheduler, UNet2DConditionModel
from torch import Tensor

from lethe.errors import LetheError
from lethe.files import read_json
from lethe.models import PIPELINES
from lethe.models.denoiser import Corrupted
from lethe.models.latent import LatentModel
from lethe.settings.precision import Precision
from lethe.settings.text_sampling import SAMPLERS, TextSamplingSettings


class StableDiffusion(LatentModel):
    """The LatentDenoiser of a text study; see :mod:`lethe.models.denoiser` for what each method means."""

    pipeline = PIPELINES["stable_diffusion"]
    part = "unet"
    network_class = UNet2DConditionModel
    samplers = SAMPLERS["stable_diffusion"]

    def __init__(
        self,
        network: UNet2DConditionModel,
        folder: Path,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        super().__init__(network, folder, device, precision)
        schedule = PNDMScheduler.from_pretrained(str(folder / "scheduler"), local_files_only=True)
        if schedule.config.prediction_type != "epsilon":
            raise LetheError(
                f"{folder / 'scheduler'}: its network predicts {schedule.config.prediction_type}, not the noise",
                "give a model with prediction_type epsilon, such as Stable Diffusion 1.4",
            )
        self.schedule = schedule.config
        self.kept = schedule.alphas_cumprod.to(self.device)
        self.condition_shape = (_tokens(folder), int(network.config.cross_attention_dim))
        self.condition_shapes = (self.condition_shape,)

    def corrupt(self, clean: Tensor, generator: torch.Generator) -> Corrupted:
        """Draw latents from the posteriors, time steps uniformly, and noise."""
        latents = self.latents(clean, generator)
        level = torch.randint(0, len(self.kept), (len(clean),), generator=generator).to(self.device)
        noise = self._normal(latents.shape, generator)
        kept = self.kept[level][:, None, None, None]
        return Corrupted(truth=noise, noisy=kept.sqrt() * latents + (1 - kept).sqrt() * noise, level=level, weight=1.0)

    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        return self._ask(corrupted.noisy, corrupted.level, conditions)

    def clean_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """(x - sqrt(1 - abar) e) / sqrt(abar): latents, as ``corrupt`` draws them."""
        kept = self.kept[corrupted.level].reshape(-1, 1, 1, 1)
        return (corrupted.noisy - (1 - kept).sqrt() * prediction) / kept.sqrt()

    def noise_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        return prediction

    def groups(self) -> dict[str, Callable[[str], bool]]:
        """The parameter groups of ESD and of the methods that edit cross-attention, by names of diffusers."""
        outside = ("conv_norm_out.", "conv_out.", "time_embedding.")
        return {
            "all": lambda name: True,
            "xattn": lambda name: "attn2" in name,
            "noxattn": lambda name: "attn2" not in name and not name.startswith(outside),
            "selfattn": lambda name: "attn1" in name,
            "kv": lambda name: "attn2.to_k" in name or "attn2.to_v" in name,
        }

    @torch.no_grad()
    def partly_sampled(
        self,
        conditions: Tensor,
        empty: Tensor,
        *,
        guidance: float,
        steps: int,
        generator: torch.Generator,
        as_released: bool,
    ) -> Corrupted:
        """Latents (B, C, h, w) on the way of a guided DDIM sampling, at a level drawn uniformly from its ``steps``.

        The network is then asked at the level where the latents are. ``as_released`` is ESD's released code: the first
        step is left out (the noise counts as the second level), sampling goes two levels too far, and the network is
        asked at a level drawn from the twenty after the intended one, 39 to 58 above that of the latents.
        """
        stride = len(self.kept) // steps
        levels = [number * stride + 1 for number in range(steps)]
        stop = int(torch.randint(0, steps, (), generator=generator))
        latents = self._normal((len(conditions), *self.latent_shape), generator)
        last, first = (max(stop - 1, 0), steps - 2) if as_released else (stop + 1, steps - 1)
        for number in range(first, last - 1, -1):
            level = torch.full((), levels[number], device=self.device)
            noise = self.guided(latents, level, conditions, empty, guidance)
            kept, following = self.kept[levels[number]], self.kept[levels[number - 1] if number else 0]
            clean = (latents - (1 - kept).sqrt() * noise) / kept.sqrt()
            latents = following.sqrt() * clean + (1 - following).sqrt() * noise
        if as_released:
            asked = torch.randint(stop * stride, (stop + 1) * stride, (len(conditions),), generator=generator)
        else:
            asked = torch.full((len(conditions),), levels[stop])
        return Corrupted(truth=latents, noisy=latents, level=asked.to(self.device), weight=1.0)

    def _ask(self, noisy: Tensor, level: Tensor, conditions: Tensor) -> Tensor:
        return self._run(noisy, level, encoder_hidden_states=conditions)

    def _denoised(
        self,
        noise: Tensor,
        conditions: Tensor,
        empty: Tensor,
        settings: TextSamplingSettings,
        guidance: float | Tensor,
    ) -> Tensor:
        scheduler = self._scheduler(settings)
        latents = noise * scheduler.init_noise_sigma
        # The scheduler reckons with levels on the CPU: on a GPU each of its questions would wait for the device.
        for level, told in zip(scheduler.timesteps, scheduler.timesteps.to(self.device), strict=True):
            inputs = scheduler.scale_model_input(latents, level)
            prediction = self.guided(inputs, told, conditions, empty, guidance)
            latents = scheduler.step(prediction, level, latents).prev_sample
        return latents

    def _scheduler(self, settings: TextSamplingSettings) -> Any:
        from diffusers import DPMSolverMultistepScheduler

        if settings.sampler == "pndm":
            scheduler = PNDMScheduler.from_config(self.schedule)
        else:
            scheduler = DPMSolverMultistepScheduler.from_config(
                self.schedule, algorithm_type="dpmsolver++", use_karras_sigmas=True
            )
        scheduler.set_timesteps(settings.steps)
        return scheduler


def _tokens(folder: Path) -> int:
    """Tokens of a prompt: the positions of the text encoder."""
    config = read_json(folder / "text_encoder" / "config.json")
    config = config.get("text_config") or config
    return int(config["max_position_embeddings"])
