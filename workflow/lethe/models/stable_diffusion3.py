"""A text-conditional flow of latents: a StableDiffusion3Pipeline folder whose transformer predicts the velocity."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from torch import Tensor

from lethe.errors import LetheError
from lethe.files import read_json
from lethe.models import PIPELINES
from lethe.models.denoiser import Corrupted
from lethe.models.latent import LatentModel
from lethe.models.packed_prompts import pooled_rows, unpack_prompts
from lethe.models.prompts3 import t5_tokens
from lethe.settings.precision import Precision
from lethe.settings.text_sampling import SAMPLERS, TextSamplingSettings


class StableDiffusion3(LatentModel):
    """The LatentDenoiser of a text study whose base is a rectified flow (Esser et al. 2024, arXiv 2403.03206).

    On the straight way x_s = (1 - s) x_0 + s e from clean latents to noise the network predicts the velocity e - x_0.
    A noise level is told as 1000 s. A condition is a prompt's embeddings with its pooled projection in extra rows.
    """

    pipeline = PIPELINES["stable_diffusion_3"]
    part = "transformer"
    network_class = SD3Transformer2DModel
    samplers = SAMPLERS["stable_diffusion_3"]

    def __init__(
        self,
        network: SD3Transformer2DModel,
        folder: Path,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        super().__init__(network, folder, device, precision)
        self.scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(
            str(folder / "scheduler"), local_files_only=True
        )
        if self.scheduler.config.use_dynamic_shifting:
            raise LetheError(
                f"{folder / 'scheduler'}: its noise levels depend on the size of the image (use_dynamic_shifting)",
                "give a model with a fixed shift, such as Stable Diffusion 3 medium",
            )
        self.steps = float(self.scheduler.config.num_train_timesteps)
        self.levels = self.scheduler.sigmas.to(self.device)
        self.pooled = int(network.config.pooled_projection_dim)
        self.t5_tokens = t5_tokens(folder)
        width = int(network.config.joint_attention_dim)
        clip_tokens = int(read_json(folder / "text_encoder" / "config.json")["max_position_embeddings"])
        self._tokens = clip_tokens + self.t5_tokens
        self.condition_shape = (self._tokens + pooled_rows(self.pooled, width), width)
        # Where there is no T5, prompts are kept without the zeros that stand in its place.
        self.condition_shapes = (self.condition_shape, (self.condition_shape[0] - self.t5_tokens, width))

    def save(self, folder: Path, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None) -> None:
        super().save(folder, {**provenance, "t5_tokens": self.t5_tokens}, weights)

    def corrupt(self, clean: Tensor, generator: torch.Generator) -> Corrupted:
        """Draw latents from the posteriors, noise levels, and noise.

        As diffusers' train_dreambooth_sd3.py with ``weighting_scheme`` logit_normal (mean 0, deviation 1): u is the
        logistic function of a standard normal, s the entry floor(1000 u) of the scheduler's levels, which run from 1
        down with its shift in them; all levels weigh the same.
        """
        latents = self.latents(clean, generator)
        share = torch.randn(len(clean), generator=generator).sigmoid()
        place = (share * len(self.levels)).long().clamp(max=len(self.levels) - 1)
        noise = self._normal(latents.shape, generator)
        level = self.levels[place.to(self.device)]
        at = level[:, None, None, None]
        return Corrupted(
            truth=noise - latents, noisy=(1 - at) * latents + at * noise, level=level * self.steps, weight=1.0
        )

    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        return self._ask(corrupted.noisy, corrupted.level, conditions)

    def clean_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """x - s v: latents, as ``corrupt`` draws them."""
        return corrupted.noisy - self._share(corrupted) * prediction

    def noise_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """x + (1 - s) v."""
        return corrupted.noisy + (1 - self._share(corrupted)) * prediction

    def groups(self) -> dict[str, Callable[[str], bool]]:
        """The parameter groups of ESD and of the methods that edit cross-attention, as far as they have a like here.

        There is no cross-attention: latents and prompt are two streams in one attention. ``xattn`` is what the prompt's
        stream has of its own in there (queries, keys, values, output), ``kv`` the part of it that the latents read,
        ``selfattn`` what the latents' stream has of its own. ``noxattn`` leaves out ``xattn``, the embedding of time
        and pooled prompt, and the output, as ESD does.
        """
        outside = ("norm_out.", "proj_out.", "time_text_embed.")

        def of_prompt(name: str) -> bool:
            return any(part in name for part in (".attn.add_", ".attn.to_add_out.", ".attn.norm_added_"))

        return {
            "all": lambda name: True,
            "xattn": of_prompt,
            "noxattn": lambda name: not of_prompt(name) and not name.startswith(outside),
            "selfattn": lambda name: (".attn." in name or ".attn2." in name) and not of_prompt(name),
            "kv": lambda name: ".attn.add_k_proj." in name or ".attn.add_v_proj." in name,
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
        """Latents (B, C, h, w) on the way of a guided Euler sampling, at a level drawn uniformly from its ``steps``;
        the network is asked there. There is no released code of ESD for a flow."""
        if as_released:
            raise LetheError(
                f"as_released: ESD's released code cannot be run on a {self.pipeline}", "leave as_released at false"
            )
        levels = self._sampler(steps).sigmas
        stop = int(torch.randint(0, steps, (), generator=generator))
        latents = self._normal((len(conditions), *self.latent_shape), generator)
        latents = self._euler(latents, levels[: stop + 1], conditions, empty, guidance)
        asked = (levels[stop] * self.steps).expand(len(conditions))
        return Corrupted(truth=latents, noisy=latents, level=asked, weight=1.0)

    def _ask(self, noisy: Tensor, level: Tensor, conditions: Tensor) -> Tensor:
        tokens, pooled = unpack_prompts(conditions, self.pooled)
        if tokens.shape[1] < self._tokens:
            tokens = torch.nn.functional.pad(tokens, (0, 0, 0, self._tokens - tokens.shape[1]))
        # The first by position: the training loop counts a network's rows by it.
        return self._run(
            noisy, encoder_hidden_states=tokens, pooled_projections=pooled, timestep=level.expand(len(noisy))
        )

    def _denoised(
        self,
        noise: Tensor,
        conditions: Tensor,
        empty: Tensor,
        settings: TextSamplingSettings,
        guidance: float | Tensor,
    ) -> Tensor:
        return self._euler(noise, self._sampler(settings.steps).sigmas, conditions, empty, guidance)

    def _euler(
        self, latents: Tensor, levels: Tensor, conditions: Tensor, empty: Tensor, guidance: float | Tensor
    ) -> Tensor:
        """Along the guided velocity from the first of ``levels`` to the last."""
        for level, following in itertools.pairwise(levels):
            velocity = self.guided(latents, level * self.steps, conditions, empty, guidance)
            latents = latents + (following - level) * velocity
        return latents

    def _sampler(self, steps: int) -> FlowMatchEulerDiscreteScheduler:
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(self.scheduler.config)
        scheduler.set_timesteps(steps, device=self.device)
        return scheduler

    def _share(self, corrupted: Corrupted) -> Tensor:
        """s of each row, (B, 1, 1, 1) or (1, 1, 1, 1)."""
        return (corrupted.level / self.steps).reshape(-1, 1, 1, 1)
