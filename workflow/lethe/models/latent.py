"""What models of both kinds of Stable Diffusion share: latents of an autoencoder, and the folder of a pipeline."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import AutoencoderKL, ModelMixin
from torch import Tensor

from lethe.errors import LetheError
from lethe.files import copy_file, read_json, written_whole
from lethe.models.denoiser import Corrupted
from lethe.models.drawing import draw_images, evaluating
from lethe.models.folder import read_network, write_network
from lethe.settings.precision import Precision
from lethe.settings.text_sampling import TextSamplingSettings

# Pixels that the autoencoder works on at a time: four images of 512 x 512, about 5 GB of a device's memory.
_PIXELS_AT_A_TIME = 4 * 512 * 512


class LatentModel(ABC):
    """A LatentDenoiser around the network of a diffusers pipeline.

    One clean example is the posterior of an image under the autoencoder: (2C, h, w), means and standard deviations, so
    that no training step runs the autoencoder. Conditions are prompts' embeddings (tokens, width), so that none runs
    the text encoders.

    With precision bfloat16 the network is run under autocast: products of matrices and convolutions in bfloat16, from
    weights that stay float32. What it gives, and all that is done with it, is float32, and so is the autoencoder.
    """

    pipeline: str
    """The class of the pipeline whose folders these are."""
    part: str
    """The folder in there that the network is in."""
    network_class: type[ModelMixin]
    samplers: tuple[str, ...]
    """Those of ``TextSamplingSettings.sampler`` that can draw from it."""
    condition_shape: tuple[int, ...]
    condition_shapes: tuple[tuple[int, ...], ...]
    """Those in which it takes a prompt: the whole one, and perhaps one without what is the same for all."""

    def __init__(
        self, network: ModelMixin, folder: Path, device: torch.device | str = "cpu", precision: Precision = "float32"
    ) -> None:
        self.folder, self.device, self.precision = folder, torch.device(device), precision
        self.network = network.to(self.device)
        factors = read_json(folder / "vae" / "config.json")
        self.scaling = float(factors.get("scaling_factor") or 0.18215)
        self.shift = float(factors.get("shift_factor") or 0.0)
        config = network.config
        self.latent_shape = (config.in_channels, config.sample_size, config.sample_size)
        self.clean_shape = (2 * config.in_channels, *self.latent_shape[1:])
        self._autoencoder: AutoencoderKL | None = None

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu", precision: Precision = "float32") -> Self:
        """Read the folder of a pipeline; the autoencoder only when images are encoded or decoded."""
        index = read_json(folder / "model_index.json")
        if index.get("_class_name") != cls.pipeline:
            raise LetheError(f"{folder}: a {index.get('_class_name')}, not a {cls.pipeline}", "give such a folder")
        network, _ = read_network(folder / cls.part, cls.network_class)
        return cls(network, folder, device, precision)

    def save(self, folder: Path, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None) -> None:
        """The whole pipeline: this network, and copies of the other parts of the folder that it came from."""
        write_network(folder / self.part, self.network, provenance, weights)
        for part in sorted(self.folder.rglob("*")):
            inside = part.relative_to(self.folder)
            if part.is_file() and inside.parts[0] not in (self.part, "README.md"):
                with written_whole(folder / inside) as temporary:
                    copy_file(part, temporary)

    def autoencoder(self) -> AutoencoderKL:
        if self._autoencoder is None:
            network, _ = read_network(self.folder / "vae", AutoencoderKL)
            self._autoencoder = network.to(self.device).eval().requires_grad_(False)
        return self._autoencoder

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> their posteriors (B, 2C, h, w) on the CPU: means, then standard deviations."""
        parts = []
        for part in images.split(_at_a_time(images[0, 0].numel())):
            posterior = self.autoencoder().encode(part.to(self.device).to(torch.float32) / 127.5 - 1).latent_dist
            parts.append(torch.cat([posterior.mean, posterior.std], 1).cpu())
        return torch.cat(parts)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, h, w) -> pixels (B, 3, H, W) around [-1, 1], in parts of one size that divides B, so that an
        image's bytes do not depend on its place among the others."""
        autoencoder = self.autoencoder()
        factor = 2 ** (len(autoencoder.config.block_out_channels) - 1)
        most = _at_a_time(latents[0, 0].numel() * factor**2)
        size = next(size for size in range(min(most, len(latents)), 0, -1) if len(latents) % size == 0)
        parts = [autoencoder.decode(part / self.scaling + self.shift).sample for part in latents.split(size)]
        return torch.cat(parts)

    def clean(self, stored: Tensor) -> Tensor:
        return stored.to(self.device)

    def latents(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """One draw from each posterior, on the scale that the network is used to."""
        mean, deviation = clean.chunk(2, dim=1)
        return self.scaling * (mean + deviation * self._normal(mean.shape, generator) - self.shift)

    @abstractmethod
    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        """See :class:`lethe.models.denoiser.Denoiser`."""

    def teach(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        with torch.no_grad():
            return self.predict(corrupted, conditions)

    def guided(
        self, noisy: Tensor, level: Tensor, conditions: Tensor, empty: Tensor, guidance: float | Tensor
    ) -> Tensor:
        """p(empty) + guidance * (p(conditions) - p(empty)), in one batch of 2B (Ho & Salimans 2022, diffusers).

        ``guidance`` is one number for all, or (B, 1, 1, 1)."""
        both = torch.cat([empty.expand_as(conditions), conditions])
        prediction = self._ask(torch.cat([noisy, noisy]), level, both)
        nothing, something = prediction.chunk(2)
        return nothing + guidance * (something - nothing)

    def frozen(self) -> Self:
        other = copy.copy(self)
        other.network = copy.deepcopy(self.network).eval()
        other.only_predict()
        return other

    def only_predict(self) -> None:
        """Give up training: the weights that are used in bfloat16 are then kept so, in half the memory. What the
        network predicts stays the same to the bit."""
        self.network.requires_grad_(False)
        if self.precision == "bfloat16":
            for layer in self.network.modules():
                if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                    layer.to(torch.bfloat16)

    @torch.inference_mode()
    def sample(
        self,
        seeds: Sequence[int],
        conditions: Tensor,
        settings: TextSamplingSettings,
        progress: Callable[[int], object] = lambda count: None,
        guidance: np.ndarray | None = None,
    ) -> Tensor:
        """Guided sampling as the pipeline does it; row 0 of ``conditions`` is the empty prompt's embedding, the others
        are those of the images. ``guidance`` (N,) gives each image one of its own in the place of the settings'."""
        if settings.sampler not in self.samplers:
            raise LetheError(
                f"sampler {settings.sampler}: a {self.pipeline} is not drawn from so",
                f"choose {' or '.join(self.samplers)}",
            )
        if guidance is not None and len(guidance) != len(seeds):
            raise LetheError(f"{len(guidance)} numbers of guidance for {len(seeds)} images", "give one for each")
        empty = conditions[:1].to(self.device)
        own = () if guidance is None else (torch.from_numpy(guidance).float()[:, None, None, None],)

        def render(noise: Tensor, wanted: Tensor, *own: Tensor) -> Tensor:
            return self.decode(self._denoised(noise, wanted, empty, settings, *(own or (settings.guidance,))))

        with evaluating(self.network):
            return draw_images(
                render, seeds, conditions[1:], self.latent_shape, settings.kernel_batch, self.device, progress, *own
            )

    def _run(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """What the network gives, float32."""
        halved = self.precision == "bfloat16"
        # No cache: each weight is used once in a run, and its copy is not to stay longer than that.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=halved, cache_enabled=False):
            return self.network(*inputs, **named).sample.float()

    @abstractmethod
    def _ask(self, noisy: Tensor, level: Tensor, conditions: Tensor) -> Tensor:
        """The network's prediction at a level, or at one for each row."""

    @abstractmethod
    def _denoised(
        self,
        noise: Tensor,
        conditions: Tensor,
        empty: Tensor,
        settings: TextSamplingSettings,
        guidance: float | Tensor,
    ) -> Tensor:
        """Latents drawn from standard normal noise; ``guidance`` goes before that of the settings."""

    def _normal(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator).to(self.device)


def _at_a_time(pixels: int) -> int:
    """How many images of so many pixels the autoencoder works on at a time."""
    return max(1, _PIXELS_AT_A_TIME // pixels)
