"""A text-conditional latent model: a StableDiffusionPipeline folder whose U-Net predicts the noise of latents."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from torch import Tensor

from lethe.errors import LetheError
from lethe.files import read_json, written_whole
from lethe.models.denoiser import Corrupted
from lethe.models.drawing import draw_images, evaluating
from lethe.models.folder import read_network, write_network
from lethe.settings.text_sampling import TextSamplingSettings

PIPELINE = "StableDiffusionPipeline"


class StableDiffusion:
    """The LatentDenoiser of a text study; see :mod:`lethe.models.denoiser` for what each method means.

    One clean example is the posterior of an image under the autoencoder: (2C, h, w), means and standard deviations, so
    that no training step runs the autoencoder. Conditions are prompts' embeddings (tokens, width), so that none runs
    the text encoder.
    """

    def __init__(self, network: UNet2DConditionModel, folder: Path, device: torch.device | str = "cpu") -> None:
        self.folder, self.device = folder, torch.device(device)
        self.network = network.to(self.device)
        schedule = PNDMScheduler.from_pretrained(str(folder / "scheduler"), local_files_only=True)
        if schedule.config.prediction_type != "epsilon":
            raise LetheError(
                f"{folder / 'scheduler'}: its network predicts {schedule.config.prediction_type}, not the noise",
                "give a model with prediction_type epsilon, such as Stable Diffusion 1.4",
            )
        self.schedule = schedule.config
        self.kept = schedule.alphas_cumprod.to(self.device)
        self.scaling = float(read_json(folder / "vae" / "config.json").get("scaling_factor", 0.18215))
        config = network.config
        self.latent_shape = (config.in_channels, config.sample_size, config.sample_size)
        self.clean_shape = (2 * config.in_channels, *self.latent_shape[1:])
        self.condition_shape = (_tokens(folder), int(config.cross_attention_dim))
        self._autoencoder: AutoencoderKL | None = None

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> StableDiffusion:
        """Read the folder of a StableDiffusionPipeline; the autoencoder only when images are decoded."""
        index = read_json(folder / "model_index.json")
        if index.get("_class_name") != PIPELINE:
            raise LetheError(f"{folder}: a {index.get('_class_name')}, not a {PIPELINE}", "give such a folder")
        network, _ = read_network(folder / "unet", UNet2DConditionModel)
        return cls(network, folder, device)

    def save(self, folder: Path, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None) -> None:
        """The whole pipeline: this U-Net, and copies of the other parts of the folder that it came from."""
        write_network(folder / "unet", self.network, provenance, weights)
        for part in sorted(self.folder.rglob("*")):
            inside = part.relative_to(self.folder)
            if part.is_file() and inside.parts[0] not in ("unet", "README.md"):
                with written_whole(folder / inside) as temporary:
                    shutil.copyfile(part, temporary)

    def autoencoder(self) -> AutoencoderKL:
        if self._autoencoder is None:
            network, _ = read_network(self.folder / "vae", AutoencoderKL)
            self._autoencoder = network.to(self.device).eval().requires_grad_(False)
        return self._autoencoder

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> their posteriors (B, 2C, h, w) on the CPU: means, then standard deviations."""
        pixels = images.to(self.device).to(torch.float32) / 127.5 - 1
        posterior = self.autoencoder().encode(pixels).latent_dist
        return torch.cat([posterior.mean, posterior.std], 1).cpu()

    def clean(self, stored: Tensor) -> Tensor:
        return stored.to(self.device)

    def corrupt(self, clean: Tensor, generator: torch.Generator) -> Corrupted:
        """Draw latents from the posteriors, time steps uniformly, and noise."""
        mean, deviation = clean.chunk(2, dim=1)
        latents = self.scaling * (mean + deviation * self._normal(mean.shape, generator))
        level = torch.randint(0, len(self.kept), (len(clean),), generator=generator).to(self.device)
        noise = self._normal(latents.shape, generator)
        kept = self.kept[level][:, None, None, None]
        return Corrupted(truth=noise, noisy=kept.sqrt() * latents + (1 - kept).sqrt() * noise, level=level, weight=1.0)

    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        return self.network(corrupted.noisy, corrupted.level, encoder_hidden_states=conditions).sample

    def teach(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        with torch.no_grad():
            return self.predict(corrupted, conditions)

    def clean_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """(x - sqrt(1 - abar) e) / sqrt(abar): latents, as ``corrupt`` draws them."""
        kept = self.kept[corrupted.level].reshape(-1, 1, 1, 1)
        return (corrupted.noisy - (1 - kept).sqrt() * prediction) / kept.sqrt()

    def noise_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        return prediction

    def guided(self, noisy: Tensor, level: Tensor, conditions: Tensor, empty: Tensor, guidance: float) -> Tensor:
        """e(empty) + guidance * (e(conditions) - e(empty)), in one batch of 2B (Ho & Salimans 2022, diffusers)."""
        both = torch.cat([empty.expand_as(conditions), conditions])
        prediction = self.network(torch.cat([noisy, noisy]), level, encoder_hidden_states=both).sample
        nothing, something = prediction.chunk(2)
        return nothing + guidance * (something - nothing)

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

    def frozen(self) -> StableDiffusion:
        other = copy.copy(self)
        other.network = copy.deepcopy(self.network).requires_grad_(False).eval()
        return other

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

    @torch.inference_mode()
    def sample(
        self,
        seeds: Sequence[int],
        conditions: Tensor,
        settings: TextSamplingSettings,
        progress: Callable[[int], object] = lambda count: None,
    ) -> Tensor:
        """Guided sampling as StableDiffusionPipeline does it; row 0 of ``conditions`` is the empty prompt's embedding,
        the others are those of the images."""
        empty, autoencoder = conditions[:1].to(self.device), self.autoencoder()

        def render(noise: Tensor, wanted: Tensor) -> Tensor:
            scheduler = self._scheduler(settings)
            latents = noise * scheduler.init_noise_sigma
            for level in scheduler.timesteps:
                inputs = scheduler.scale_model_input(latents, level)
                latents = scheduler.step(
                    self.guided(inputs, level, wanted, empty, settings.guidance), level, latents
                ).prev_sample
            return autoencoder.decode(latents / self.scaling).sample

        with evaluating(self.network):
            return draw_images(
                render, seeds, conditions[1:], self.latent_shape, settings.kernel_batch, self.device, progress
            )

    def _scheduler(self, settings: TextSamplingSettings) -> Any:
        from diffusers import DPMSolverMultistepScheduler

        if settings.sampler == "pndm":
            scheduler = PNDMScheduler.from_config(self.schedule)
        else:
            scheduler = DPMSolverMultistepScheduler.from_config(
                self.schedule, algorithm_type="dpmsolver++", use_karras_sigmas=True
            )
        scheduler.set_timesteps(settings.steps, device=self.device)
        return scheduler

    def _normal(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator).to(self.device)


def _tokens(folder: Path) -> int:
    """Tokens of a prompt: the positions of the text encoder."""
    config = read_json(folder / "text_encoder" / "config.json")
    config = config.get("text_config") or config
    return int(config["max_position_embeddings"])
