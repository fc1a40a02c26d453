"""The seam between methods and networks: one protocol for pixels, latents and flows (design: the two seams)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lethe.settings.common import Settings


@dataclass(frozen=True)
class Corrupted:
    """A batch at noise levels of its own.

    ``noisy`` is (B, C, H, W); ``truth``, of the same shape, is what a perfect prediction would be (the clean image, or
    the noise); ``level`` is the noise level that the network is told, ``weight`` that of the squared error there: one
    for each row, in a shape that broadcasts. ``augmentation`` (B, labels) is what was done to the
    images before, where the network is told; else None.
    """

    truth: Tensor
    noisy: Tensor
    level: Tensor
    weight: Tensor | float
    augmentation: Tensor | None = None

    def squared_error(
        self, prediction: Tensor, *, target: Tensor | None = None, truncation: float | None = None
    ) -> Tensor:
        """weight * min((prediction - target)^2, truncation), element by element; the target defaults to the truth."""
        error = (prediction - (self.truth if target is None else target)).square()
        return self.weight * (error if truncation is None else error.clamp(max=truncation))


class Denoiser(Protocol):
    """A diffusion model as the methods see it.

    ``conditions`` are (B,) int64 classes in a class study, (B, tokens, width) embeddings of prompts in a text study.
    ``clean_shape`` is the shape of one clean example as the sets store it, ``condition_shape`` that of one condition.
    All tensors live on ``device``; generators are CPU generators, so that a draw is the same on every machine.
    """

    network: torch.nn.Module
    device: torch.device
    clean_shape: tuple[int, ...]
    condition_shape: tuple[int, ...]

    def clean(self, stored: Tensor) -> Tensor:
        """Clean examples as the sets store them -> what :meth:`corrupt` takes, float32, on the device."""

    def corrupt(self, clean: Tensor, generator: torch.Generator) -> Corrupted:
        """Draw a noise level and noise for each element of the batch."""

    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        """The network's prediction, in the space of ``corrupted.truth``."""

    def teach(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        """``predict`` without a gradient: the network as teacher."""

    def clean_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """The clean batch (x0-hat) that ``prediction`` says lies behind ``corrupted.noisy``, in ``corrupt``'s space."""

    def noise_estimate(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """The standard normal noise that ``prediction`` says lies in ``corrupted.noisy``."""

    def groups(self) -> dict[str, Callable[[str], bool]]:
        """Parameter groups by name; each is a predicate on parameter names."""

    def frozen(self) -> Denoiser:
        """A copy that stays as this model is now."""

    def sample(
        self,
        seeds: Sequence[int],
        conditions: Tensor,
        settings: Settings,
        progress: Callable[[int], object] = lambda count: None,
    ) -> Tensor:
        """One uint8 image (C, H, W) for each seed: a function of its seed, its condition and ``settings.kernel_batch``,
        never of its companions. ``progress`` is called with the number of images done."""

    def save(self, folder: Path, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None) -> None:
        """Write a diffusers folder, with ``provenance`` in the metadata of its weights."""


class ClassDenoiser(Denoiser, Protocol):
    """A model of classes: its conditions can be counted."""

    condition_count: int

    def augment(self) -> None:
        """From now on :meth:`corrupt` augments the images first, and the network is told (``Corrupted.augmentation``);
        LetheError where it cannot be."""

    def next_condition(self, conditions: Tensor) -> Tensor:
        """The class after each, cyclically: SalUn's fixed relabelling."""

    def random_condition(self, conditions: Tensor, generator: torch.Generator) -> Tensor:
        """A class other than each, uniformly: the random-label baseline."""


class LatentDenoiser(Denoiser, Protocol):
    """A model of text: it has a condition that says nothing, and can be guided. Its networks see latents, each of
    ``latent_shape`` (C, h, w); embeddings of prompts have one of ``condition_shapes``."""

    latent_shape: tuple[int, ...]
    condition_shapes: tuple[tuple[int, ...], ...]

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
        """Latents sampled from noise down to a random level, where the network can be asked (ESD). No ``truth``."""
