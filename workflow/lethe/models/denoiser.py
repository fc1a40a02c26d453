"""The seam between methods and networks: one protocol for pixels, latents and flows (design: the two seams)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Corrupted:
    """A clean batch at random noise levels.

    ``clean`` and ``noisy`` are (B, C, H, W); ``level`` and ``weight`` are (B, 1, 1, 1): the noise level the network is
    told, and the weight of the squared error there.
    """

    clean: Tensor
    noisy: Tensor
    level: Tensor
    weight: Tensor


class Denoiser(Protocol):
    """A diffusion model as the methods see it.

    ``conditions`` are (B,) int64 class indices in a class study. All tensors live on ``device``; generators are CPU
    generators, so that a draw is the same on every machine.
    """

    network: torch.nn.Module
    device: torch.device
    condition_count: int
    image_shape: tuple[int, ...]

    def clean(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, H, W) -> what the network denoises, float32, on the device."""

    def corrupt(self, clean: Tensor, generator: torch.Generator) -> Corrupted:
        """Draw a noise level and noise for each element of the batch."""

    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        """The network's prediction, in the space ``squared_error`` compares."""

    def teach(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        """``predict`` without a gradient: the current network as teacher."""

    def squared_error(
        self, prediction: Tensor, corrupted: Corrupted, *, target: Tensor | None = None, truncation: float | None = None
    ) -> Tensor:
        """weight * min((prediction - target)^2, truncation), element by element; the target defaults to the truth."""

    def next_condition(self, conditions: Tensor) -> Tensor:
        """The condition after each, cyclically: SalUn's fixed relabelling."""

    def random_condition(self, conditions: Tensor, generator: torch.Generator) -> Tensor:
        """A condition other than each, uniformly: the random-label baseline."""

    def groups(self) -> dict[str, Callable[[str], bool]]:
        """Parameter groups by name; each is a predicate on parameter names."""

    def sample(self, seeds: Sequence[int], conditions: Sequence[int], **settings: Any) -> Tensor:
        """One uint8 image (C, H, W) for each seed: a function of its seed and condition alone."""

    def save(self, folder: Path, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None) -> None:
        """Write a diffusers folder, with ``provenance`` in the metadata of its weights."""
